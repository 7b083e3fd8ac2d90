//! What several test programs share; each takes a part of it.
#![allow(dead_code, reason = "no program takes all of it")]

pub mod home;
pub mod load;
pub mod program;
