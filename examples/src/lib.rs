//! The examples are in `examples/`; this crate has no code of its own.
