//! What `--model` says: a path, a Hub repository, or a name.

use std::fmt;
use std::path::{Path, PathBuf};

use super::known::{self, Known};
use super::stores::Origin;

/// Which model is wanted. Reading one touches the disk only to see whether a path exists.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelSpec {
    Path(PathBuf),
    /// `OWNER/REPO` or `OWNER/REPO:FILE`.
    Hub {
        repo: String,
        file: Option<String>,
    },
    Known(Known),
    /// A file name to look for in the app's model folder, or a model's name in another program's store.
    Local(String),
}

impl Default for ModelSpec {
    fn default() -> Self {
        ModelSpec::Known(known::DEFAULT)
    }
}

impl ModelSpec {
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        if text.is_empty() {
            return ModelSpec::default();
        }
        let path = expand_home(text);
        if path.exists() {
            return ModelSpec::Path(path);
        }
        if let Some(known) = known::by_name(text) {
            return ModelSpec::Known(known);
        }
        if Origin::of_name(text).is_some() {
            return ModelSpec::Local(text.to_string());
        }
        if let Some((repo, file)) = text.split_once(':')
            && is_repo(repo)
            && !file.is_empty()
        {
            return ModelSpec::Hub {
                repo: repo.to_string(),
                file: Some(file.to_string()),
            };
        }
        let gguf = text.to_ascii_lowercase().ends_with(".gguf");
        if is_repo(text) && !gguf {
            return ModelSpec::Hub {
                repo: text.to_string(),
                file: None,
            };
        }
        if text.contains(['/', '\\']) || text.starts_with('~') {
            return ModelSpec::Path(path);
        }
        ModelSpec::Local(text.to_string())
    }
}

impl fmt::Display for ModelSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ModelSpec::Path(path) => write!(f, "{}", path.display()),
            ModelSpec::Hub { repo, file: None } => f.write_str(repo),
            ModelSpec::Hub {
                repo,
                file: Some(file),
            } => write!(f, "{repo}:{file}"),
            ModelSpec::Known(known) => f.write_str(known.name),
            ModelSpec::Local(name) => f.write_str(name),
        }
    }
}

/// `OWNER/REPO` as the Hub writes it.
fn is_repo(text: &str) -> bool {
    let legal = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.starts_with('~')
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    text.split_once('/')
        .is_some_and(|(owner, repo)| legal(owner) && legal(repo))
}

/// `~/x` as a shell would read it, which a config file or an environment variable does not do.
fn expand_home(text: &str) -> PathBuf {
    if let Some(rest) = text.strip_prefix("~/")
        && let Some(base) = directories::BaseDirs::new()
    {
        return base.home_dir().join(rest);
    }
    Path::new(text).to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_paths_repositories_and_names_apart() {
        let here = tempfile::NamedTempFile::new().unwrap();
        let path = here.path().to_str().unwrap();
        assert_eq!(ModelSpec::parse(path), ModelSpec::Path(path.into()));
        assert_eq!(ModelSpec::parse(""), ModelSpec::Known(known::DEFAULT));
        assert_eq!(
            ModelSpec::parse("SmolLM2-135M"),
            ModelSpec::Known(known::DEFAULT)
        );
        assert_eq!(
            ModelSpec::parse("Qwen/Qwen2.5-0.5B-Instruct-GGUF:a.gguf"),
            ModelSpec::Hub {
                repo: "Qwen/Qwen2.5-0.5B-Instruct-GGUF".into(),
                file: Some("a.gguf".into())
            }
        );
        assert_eq!(
            ModelSpec::parse("Qwen/Qwen2.5-0.5B-Instruct-GGUF"),
            ModelSpec::Hub {
                repo: "Qwen/Qwen2.5-0.5B-Instruct-GGUF".into(),
                file: None
            }
        );
        for missing in [
            "./models/x",
            "../x.gguf",
            "/nowhere/x.gguf",
            "models/x.gguf",
            "a/b/c",
        ] {
            assert_eq!(ModelSpec::parse(missing), ModelSpec::Path(missing.into()));
        }
        assert_eq!(
            ModelSpec::parse("mine.gguf"),
            ModelSpec::Local("mine.gguf".into())
        );
        for stored in ["ollama:qwen3:0.6b", "lm-studio:a/b/c", "qwen3:0.6b"] {
            assert_eq!(ModelSpec::parse(stored), ModelSpec::Local(stored.into()));
        }
    }
}
