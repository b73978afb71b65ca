//! What is sold: stock is never promised twice, an order is placed once, money is booked to the cent.

mod catalogue;
mod finding;
mod following;
mod importing;
mod orders;
mod payments;
pub mod shop;
