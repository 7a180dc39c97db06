//! What the sources do with publishers, good and bad, over real sockets and files.

mod publisher;
mod reading;
mod pages;
mod answers;
mod bodies;
mod feedapi;
mod credentials;
mod tls;
mod files;
