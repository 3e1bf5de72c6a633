//! The console over HTTP, as a browser asks for it.

mod browser;
mod links;
mod sessions;
mod visitors;
