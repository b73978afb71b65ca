//! Stand-ins that speak the real protocols.
