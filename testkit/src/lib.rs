//! What Revisor is tested with: API servers in memory and for real, and synthetic clusters. Never linked into
//! the product.

pub mod apiserver;
pub mod controlplane;
pub mod generate;
pub mod memory;
