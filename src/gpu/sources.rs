//! The kernels' sources, as they are compiled into this program.

macro_rules! sources {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("kernels/", $name)))),*]
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
    "product.inl",
    "metal.h",
];

/// What Metal compiles: `all.cpp` with the files that it includes, as one text.
#[cfg(any(test, feature = "metal"))]
pub fn metal() -> String {
    let mut text = String::new();
    include("all.cpp", &mut text);
    text
}

/// Files of ours are put in where they are included, but those of the host and of other devices, which Metal does not
/// look at.
#[cfg(any(test, feature = "metal"))]
fn include(name: &str, to: &mut String) {
    let found = SOURCES.iter().find(|(file, _)| *file == name);
    for line in found.map_or("", |(_, text)| text).lines() {
        let included = line
            .strip_prefix("#include \"")
            .and_then(|rest| rest.strip_suffix('"'));
        match included {
            Some("host.h" | "test.inl" | "tiles.inl" | "unpack.inl" | "integers.inl") => {}
            Some(name) => include(name, to),
            None if line == "#pragma once" => {}
            None => {
                to.push_str(line);
                to.push('\n');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    /// One text, in which nothing is looked for in another file but Metal's own library.
    #[test]
    fn metal_gets_every_kernel_in_one_text() {
        let text = super::metal();
        let included: Vec<&str> = text.lines().filter(|l| l.contains("#include")).collect();
        let system = |line: &&str| line.contains('<');
        assert!(included.iter().all(system), "{included:?}");
        assert!(included.contains(&"#include <metal_stdlib>"));
        for kernel in [
            "KERNEL(poke,",
            "KERNEL(gather,",
            "FEW(bf16, bf16, 8)",
            "PRODUCT(f16, f16)",
        ] {
            assert!(text.contains(kernel), "{kernel}");
        }
        assert!(!text.contains("attend_many") && !text.contains("mat_vec_packed"));
    }
}
