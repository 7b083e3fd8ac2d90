use super::*;

const DEPTHS: [Depth; 4] = [Depth::None, Depth::Ansi16, Depth::Ansi256, Depth::True];

fn themes() -> impl Iterator<Item = Theme> {
    Theme::names().map(|name| Theme::built_in(name, Depth::True).expect(name))
}

fn rgb(colour: Color) -> Option<Rgb> {
    match colour {
        Color::Rgb(r, g, b) => Some((r, g, b)),
        _ => None,
    }
}

/// Contrast of two colours as WCAG has it, 1–21.
fn contrast(a: Rgb, b: Rgb) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn every_theme_reads_at_every_depth() {
    assert!(BUILT_IN.len() >= 8);
    for (name, source) in BUILT_IN {
        for depth in DEPTHS {
            let theme = Theme::parse(source, depth).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(theme.name, *name);
            assert_eq!(depth == Depth::None, theme.accent == Color::Reset, "{name}");
        }
        // Every documented field is set in the file.
        let ui = toml::from_str::<File>(source).unwrap().ui;
        let missing: Vec<_> = Theme::FIELDS
            .iter()
            .filter(|f| !ui.contains_key(**f))
            .collect();
        assert!(missing.is_empty(), "{name}: {missing:?}");
    }
}

#[test]
fn what_is_read_can_be_read() {
    for theme in themes() {
        let name = &theme.name;
        let strict = name.starts_with("high-contrast");
        let Some(ground) = rgb(theme.background) else {
            assert_eq!(name, "terminal");
            continue;
        };
        assert_eq!(theme.dark, luminance(ground) < 0.2, "{name}");
        for (field, colour, least) in [
            ("text", theme.text, 7.0),
            ("dim", theme.dim, 4.5),
            ("faint", theme.faint, 2.9),
            ("accent", theme.accent, 4.5),
            ("user", theme.user, 4.5),
            ("assistant", theme.assistant, 4.5),
            ("heading", theme.heading, 4.5),
            ("link", theme.link, 4.5),
            ("code", theme.code, 4.5),
            ("title", theme.title, 4.5),
            ("good", theme.good, 4.5),
            ("warning", theme.warning, 4.5),
            ("bad", theme.bad, 4.5),
        ] {
            let least = if strict { 7.0 } else { least };
            let found = contrast(rgb(colour).unwrap(), ground);
            assert!(
                found >= least,
                "{name}: {field} has {found:.1}, needs {least}"
            );
        }
        for (field, ink, on) in [
            ("chip", theme.chip, theme.chip_background),
            ("code", theme.code, theme.code_background),
            ("text", theme.text, theme.code_background),
            ("keyword", theme.code_keyword, theme.code_background),
            ("string", theme.code_string, theme.code_background),
            ("number", theme.code_number, theme.code_background),
            ("comment", theme.code_comment, theme.code_background),
            ("function", theme.code_function, theme.code_background),
            ("type", theme.code_type, theme.code_background),
            ("name", theme.code_name, theme.code_background),
            ("inserted", theme.good, theme.code_background),
            ("deleted", theme.bad, theme.code_background),
            ("text", theme.text, theme.selection),
            ("dim", theme.dim, theme.selection),
        ] {
            let found = contrast(rgb(ink).unwrap(), rgb(on).unwrap());
            assert!(found >= 3.5, "{name}: {field} on its ground has {found:.1}");
        }
        let body = contrast(rgb(theme.bar).unwrap(), rgb(theme.track).unwrap());
        assert!(body >= 2.5, "{name}: bar on track has {body:.1}");
    }
}

/// Whoever sees no hues sees the brightness: it grows (or falls) all along the scale.
#[test]
fn heat_can_be_read_by_brightness_alone() {
    for theme in themes().filter(|t| !t.stepped()) {
        let steps: Vec<f64> = (0..=20u8)
            .map(|i| luminance(theme.heat_rgb(f32::from(i) / 10.0)))
            .collect();
        let forwards = steps.windows(2).all(|w| w[0] < w[1]);
        let backwards = steps.windows(2).all(|w| w[0] > w[1]);
        assert!(
            if theme.dark { forwards } else { backwards },
            "{}",
            theme.name
        );
        for i in 0..=20u8 {
            let r = f32::from(i) / 10.0;
            let (ink, heat) = (rgb(theme.on_heat(r)).unwrap(), theme.heat_rgb(r));
            assert!(contrast(ink, heat) >= 3.8, "{} at {r}", theme.name);
            let (ink, tint) = (rgb(theme.text).unwrap(), rgb(theme.tint(r)).unwrap());
            assert!(contrast(ink, tint) >= 3.5, "{} tint at {r}", theme.name);
        }
    }
}

#[test]
fn the_terminals_own_colours_stay_its_own() {
    for depth in [Depth::Ansi16, Depth::Ansi256, Depth::True] {
        let theme = Theme::built_in("terminal", depth).unwrap();
        assert_eq!(theme.background, Color::Reset);
        assert!(!theme.colours_heat());
        for r in [0.0, 0.7, 1.0, 2.0] {
            assert!(!matches!(theme.heat(r), Color::Rgb(..) | Color::Indexed(_)));
        }
    }
}

#[test]
fn a_bad_colour_is_named() {
    let parse = |source: &str| Theme::parse(source, Depth::True).unwrap_err().to_string();
    let dark = BUILT_IN[0].1;
    let error = parse(&dark.replacen("\"mint\"", "\"nope\"", 1));
    assert!(
        error.contains("accent") && error.contains("nope"),
        "{error}"
    );
    let error = parse(&dark.replacen("heading ", "headding", 1));
    assert!(
        error.contains("`headding`") && error.contains("`heading`"),
        "{error}"
    );
    let error = parse("name = \"x\"\nheat = [\"#000000\"]");
    assert!(error.contains("heat"), "{error}");
    let error = parse("name = \"x\"\ninherits = \"gone\"");
    assert!(error.contains("gone"), "{error}");
}

#[test]
fn a_theme_may_change_a_few_colours_of_another() {
    let source = "name = \"mine\"\ninherits = \"cachat-light\"\n[palette]\npaper = \"#ff0000\"\n\
                  [ui]\naccent = \"paper\"\n";
    let theme = Theme::parse(source, Depth::True).unwrap();
    let base = Theme::built_in("cachat-light", Depth::True).unwrap();
    assert_eq!(theme.accent, Color::Rgb(255, 0, 0));
    assert_eq!(
        (theme.background, theme.heading),
        (base.background, base.heading)
    );
    assert_eq!(theme.heat(0.5), base.heat(0.5));
    assert!(!theme.dark);
}

#[test]
fn a_theme_from_before_code_was_coloured_gets_colours_of_its_own() {
    let source = "name = \"old\"\nheat = [\"#000000\", \"#ffffff\"]\n[ui]\naccent = \"#112233\"\n\
                  good = \"#445566\"\ncode_type = \"#778899\"\n";
    let theme = Theme::parse(source, Depth::True).unwrap();
    assert_eq!(theme.code_keyword, Color::Rgb(0x11, 0x22, 0x33));
    assert_eq!(theme.code_string, Color::Rgb(0x44, 0x55, 0x66));
    assert_eq!(theme.code_type, Color::Rgb(0x77, 0x88, 0x99));
    assert_eq!(theme.code_number, Color::Reset);
}

#[test]
fn a_folder_of_themes_is_read_and_its_errors_name_their_files() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("mine.toml", "name = \"mine\"\ninherits = \"cachat-dark\"\n");
    write(
        "own-dark.toml",
        "name = \"cachat-dark\"\ninherits = \"cachat-dark\"\n[ui]\ntext = \"red\"\n",
    );
    write("broken.toml", "name = \"b\x1b[31m\n");
    write("huge.toml", &"# x\n".repeat(20_000));
    write("notes.txt", "not a theme");
    let (themes, errors) = Theme::load_dir(dir.path(), Depth::True);
    let names: Vec<&str> = themes.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["mine", "cachat-dark"]);
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].contains("broken.toml") && errors[0].contains("line 1"));
    assert!(!errors[0].contains('\x1b'));
    assert!(errors[1].contains("huge.toml"));
    let find = |name: &str| Theme::find(name, dir.path(), Depth::True);
    // The user's own comes first.
    assert_eq!(find("cachat-dark").unwrap().text, Color::Red);
    assert_eq!(find("fjord").unwrap().name, "fjord");
    let error = find("nowhere").unwrap_err().to_string();
    assert!(error.contains("mine") && error.contains("fjord") && error.contains("broken.toml"));
    let (none, errors) = Theme::load_dir(&dir.path().join("missing"), Depth::True);
    assert!(none.is_empty() && errors.is_empty());
}

#[cfg(unix)]
#[test]
fn a_pipe_among_the_themes_is_named_and_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    nix::unistd::mkfifo(&path("fifo.toml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    std::os::unix::fs::symlink("/dev/zero", path("endless.toml")).unwrap();
    let text = "name = \"mine\"\ninherits = \"cachat-dark\"\n";
    std::fs::write(path("mine"), text).unwrap();
    std::os::unix::fs::symlink(path("mine"), path("link.toml")).unwrap();
    let (themes, errors) = Theme::load_dir(dir.path(), Depth::True);
    assert_eq!(themes.len(), 1);
    assert_eq!(themes[0].name, "mine");
    assert_eq!(errors.len(), 2, "{errors:?}");
    for (error, name) in errors.iter().zip(["endless.toml", "fifo.toml"]) {
        assert!(
            error.contains(name) && error.contains("plain file"),
            "{error}"
        );
    }
}
