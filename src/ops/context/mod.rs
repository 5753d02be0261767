//! What an operator sees of its node when a walker visits it, and what it answers.

mod cost;
mod gradient;
mod infer;
mod relate;
mod rewrite;
mod role;
mod view;

pub use cost::CostCx;
pub use gradient::GradientCx;
pub use infer::{InferCx, Inferred};
pub use relate::{Continues, Notes, OPEN, RelateCx, Related};
pub use rewrite::{Rewrite, RewriteCx};
pub use role::{Packed, Quantized, Role, RoleNote};
pub use view::{Attributes, NodeView, Parsed};
