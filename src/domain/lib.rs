//! The nouns of the shop's counter and the rules they obey.
//!
//! Everything here is a value or a pure function: no runtime, no SQL, no network and no clock (the time is
//! passed in). What decides is tested here by tables; actors and transactions carry the effects out.
//!
//! Reading order: [`ids`], [`tenant`], [`channel`], [`customer`], [`inbound`], [`conversation`], [`turn`],
//! [`reply`], [`delivery`], [`money`], [`ledger`], [`payment`], [`commerce`], [`breaker`], [`rulebook`], [`text`].

pub mod bill;
pub mod breaker;
pub mod channel;
pub mod commerce;
pub mod conversation;
pub mod customer;
pub mod delivery;
pub mod ids;
pub mod inbound;
pub mod ledger;
pub mod money;
pub mod order;
pub mod payment;
pub mod reply;
pub mod rulebook;
pub mod sale;
pub mod tenant;
pub mod text;
pub mod turn;

pub use ids::*;
pub use tenant::{Deadline, Language, Principal, Scope, TenantCtx};
