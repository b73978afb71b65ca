//! What every end-to-end test needs: a database, a server, a customer.

pub mod counter;
pub mod database;
pub mod process;
