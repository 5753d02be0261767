//! Dims, axis terms, unification, polynomials: no ONNX here, testable on paper.

mod cost;
mod dim;
mod positions;
mod regroup;
mod term;
mod unify;

pub use cost::{Cost, Monomial};
pub use dim::{Bindings, Dim, Symbol, SymbolDef, Symbols};
pub use positions::{Kept, NOT_HERE};
pub use term::{Atom, Flags, Reason, Term, Terms};
