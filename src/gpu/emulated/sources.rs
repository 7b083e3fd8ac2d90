//! The kernels' sources, as they are compiled into this program.

macro_rules! sources {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../kernels/", $name)))),*]
    };
}

/// Every file of `kernels/`, by name.
pub const SOURCES: &[(&str, &str)] = sources![
    "all.cpp",
    "compat.h",
    "host.h",
    "fibers.h",
    "switch.h",
    "small.inl",
    "test.inl",
    "weights.inl",
    "unpack.inl",
    "integers.inl",
    "cache.inl",
    "attention.inl",
    "tiles.inl",
    "window.inl",
    "largest.inl",
];
