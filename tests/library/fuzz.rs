//! What anybody may send, at random and damaged: nothing panics, nothing hangs, and what is taken in comes out as it
//! was.
//!
//! A short run is part of the tests. `make fuzz` runs each property for FUZZ_SECONDS, and counts the inputs.

mod bodies;
mod files;
mod headers;
mod inputs;
mod search;
mod words;
