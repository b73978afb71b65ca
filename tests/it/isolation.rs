//! The wall between shops: that it stands, that nobody climbs over it through a cancelled request, and that these tests
//! would notice if a stone were missing.

mod cancellation;
mod catalogue;
mod walk;
