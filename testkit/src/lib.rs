pub mod apiserver;
pub mod controlplane;
