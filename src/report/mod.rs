//! REPORTS. Figures of the engine as text for people: tables and Markdown.

pub mod bench;
pub mod chart;
pub mod compare;
pub mod doctor;
