//! The console over HTTP, as a browser asks for it.

mod browser;
mod links;
mod people;
mod sessions;
mod statistics;
mod visitors;
