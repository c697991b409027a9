pub mod apiserver;
pub mod controlplane;
pub mod generate;
pub mod memory;
