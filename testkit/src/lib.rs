pub mod controlplane;
pub mod generate;
