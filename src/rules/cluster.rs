//! Rules about the cluster itself: what lies in no namespace.

pub mod node_image_untrusted;
