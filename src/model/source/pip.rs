//! How pip is called: nothing of the folder that the user happens to be in runs, and nothing of
//! their environment is handed over but what pip needs to reach the index it is configured for.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;

/// Variables that pip, Python or the system need, beside those that begin as [`KEPT`] says.
const NEEDED: [&str; 30] = [
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "NETRC",
    "XDG_CONFIG_HOME",
    "XDG_CONFIG_DIRS",
    "XDG_CACHE_HOME",
    "XDG_DATA_HOME",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
    "PYENV_ROOT",
    "PYENV_VERSION",
    // Windows finds nothing without these.
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "APPDATA",
    "LOCALAPPDATA",
    "PROGRAMDATA",
    "USERPROFILE",
    "PATHEXT",
    "COMSPEC",
    "WINDIR",
];
/// Beginnings of the settings of pip and of uv.
const KEPT: [&str; 3] = ["PIP_", "UV_", "LC_"];
/// What uv uploads with.
const SECRET: &str = "UV_PUBLISH_";
/// Those whose value may be a path that starts at the folder the user is in.
const PATHS: [&str; 9] = [
    "PIP_CERT",
    "PIP_CLIENT_CERT",
    "PIP_CONFIG_FILE",
    "PIP_FIND_LINKS",
    "PIP_CACHE_DIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
];

/// How pip may be called on this machine, in order. `-I`: Python takes no module from the working
/// folder, from its own variables or from the user's packages; a pip among those is found by name.
pub fn calls() -> Vec<Vec<String>> {
    [
        "python3 -I -m pip",
        "python -I -m pip",
        "pip3",
        "pip",
        "py -I -m pip",
        "uvx pip",
    ]
    .iter()
    .map(|call| call.split(' ').map(String::from).collect())
    .collect()
}

/// `program` with `before`, to run in `folder` (an absolute path) with a small environment.
pub fn command(program: &str, before: &[String], folder: &Path) -> Command {
    let mut command = Command::new(program);
    let kept = std::env::vars_os().filter(|(name, _)| is_kept(name));
    command
        .args(before)
        .current_dir(folder)
        .env_clear()
        .envs(kept.map(|(name, value)| {
            let value = here(&name, value);
            (name, value)
        }))
        .env("PATH", search_path())
        // pip's own temporary files count as progress, and go with the folder.
        .env("TMPDIR", folder)
        .env("TEMP", folder)
        .env("TMP", folder);
    command
}

fn is_kept(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_uppercase();
    NEEDED.contains(&name.as_str())
        || KEPT.iter().any(|kept| name.starts_with(kept)) && !name.starts_with(SECRET)
}

/// Paths in a setting still mean what they meant in the user's folder.
fn here(name: &OsStr, value: OsString) -> OsString {
    let Some(text) = value.to_str().filter(|_| PATHS.iter().any(|p| name == *p)) else {
        return value;
    };
    let absolute = |word: &str| match std::path::absolute(word) {
        Ok(path) if Path::new(word).exists() => path.to_string_lossy().into_owned(),
        _ => word.to_owned(),
    };
    if Path::new(text).exists() {
        return absolute(text).into();
    }
    let words: Vec<String> = text.split_whitespace().map(absolute).collect();
    words.join(" ").into()
}

/// `PATH` without the entries that mean the current folder, or one below it.
fn search_path() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let kept = std::env::split_paths(&path).filter(|entry| entry.is_absolute());
    std::env::join_paths(kept).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hands_over_settings_of_the_index_and_no_secrets() {
        for kept in [
            "HOME",
            "PIP_INDEX_URL",
            "https_proxy",
            "NO_PROXY",
            "LC_ALL",
            "UV_INDEX_URL",
            "SSL_CERT_FILE",
        ] {
            assert!(is_kept(OsStr::new(kept)), "{kept}");
        }
        for dropped in [
            "HF_TOKEN",
            "HUGGING_FACE_HUB_TOKEN",
            "GITHUB_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "UV_PUBLISH_TOKEN",
            "PYTHONPATH",
            "PYTHONSTARTUP",
            "LD_PRELOAD",
            "PWD",
        ] {
            assert!(!is_kept(OsStr::new(dropped)), "{dropped}");
        }
    }

    #[test]
    fn a_path_in_a_setting_still_starts_at_the_users_folder() {
        let absolute = std::path::absolute("src").unwrap().into_os_string();
        assert_eq!(here(OsStr::new("PIP_CERT"), "src".into()), absolute);
        let links = here(OsStr::new("PIP_FIND_LINKS"), "src nowhere".into());
        assert_eq!(
            links.to_str().unwrap(),
            format!("{} nowhere", absolute.display())
        );
        assert_eq!(here(OsStr::new("PIP_RETRIES"), "src".into()), "src");
    }

    #[test]
    fn python_is_always_isolated() {
        for call in calls() {
            let python = call[0].starts_with("py");
            assert_eq!(
                python,
                call.get(1).is_some_and(|arg| arg == "-I"),
                "{call:?}"
            );
        }
    }
}
