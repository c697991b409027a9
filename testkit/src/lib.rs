pub mod apiserver;
pub mod controlplane;
pub mod generate;
