//! Data sets made here, read back: every format, preprocessing against other libraries, loading, bad data.

mod bad;
mod formats;
mod lies;
mod loading;
mod pixels;
mod tables;
use crate::common::made;
