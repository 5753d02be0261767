//! The graph editor: how nodes are made, put into a graph and taken out of it.
//!
//! [`NewNode`] describes one node. [`Emit`] is whatever takes new nodes and initializers, and knows how operators are
//! spelled in its operator set. [`Editor`] is a graph that is being changed. Nothing else makes a `NodeProto`, but the
//! decoder.

mod dead;
mod editor;
mod emit;
mod error;
mod extract;
mod model;
mod names;
mod node;
mod outputs;

pub use dead::{drop_unread, drop_unread_within};
pub use editor::{Editor, ScopeId};
pub use emit::Emit;
pub use error::{Error, Result};
pub use extract::{Extracted, extract};
pub use model::stand_alone;
pub use names::Names;
pub use node::NewNode;
pub use outputs::{add_outputs, untyped, value_info};
