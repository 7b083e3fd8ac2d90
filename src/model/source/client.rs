//! Requests to the Hub. Redirects are followed by hand: the token goes to the Hub alone, and what
//! the Hub says of a file is told from what those say to whom it sends us.

use std::str::FromStr;
use std::time::Duration;

use ureq::http::{HeaderMap, Response, StatusCode, Uri};
use ureq::{Agent, Body};

use super::miss::Miss;

/// How long a connection may take, and how long it may stand still.
const CONNECT: Duration = Duration::from_secs(10);
const READ: Duration = Duration::from_secs(45);
const REDIRECTS: usize = 8;

/// Scheme, host, port: who gets a request.
type Origin = (String, String, u16);

pub struct Client {
    agent: Agent,
    endpoint: String,
    origin: Origin,
    token: Option<String>,
}

/// What the Hub itself says of a file. What becomes a part of a path is hexadecimal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Of a large file.
    pub sha256: Option<String>,
    pub bytes: Option<u64>,
    /// The revision that it is of, where that is one.
    pub commit: Option<String>,
}

pub struct Reply {
    pub response: Response<Body>,
    pub facts: Facts,
}

impl Client {
    pub fn new(endpoint: &str, token: Option<String>) -> Result<Client, Miss> {
        let endpoint = endpoint.trim_end_matches('/').to_string();
        let origin = Uri::from_str(&endpoint).ok().and_then(|uri| origin(&uri));
        let origin = origin.ok_or_else(|| {
            Miss::said("HF_ENDPOINT is no address of a Hub: unset it, or give it as https://HOST")
        })?;
        if token
            .iter()
            .any(|t| !t.bytes().all(|b| b.is_ascii_graphic()))
        {
            return Err(Miss::said(
                "the Hub token has signs that no token has: look at HF_TOKEN, or log in anew",
            ));
        }
        let config = Agent::config_builder()
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_per_read(Some(READ))
            .timeout_per_write(Some(READ))
            // Lengths and ranges are those of the file.
            .accept_encoding("identity")
            .user_agent(concat!("cachat/", env!("CARGO_PKG_VERSION")));
        Ok(Client {
            agent: config.build().into(),
            endpoint,
            origin,
            token,
        })
    }

    /// `path` of the Hub, without or with a range of bytes.
    pub fn get(&self, path: &str, range: Option<&str>) -> Result<Reply, Miss> {
        let start = format!("{}/{path}", self.endpoint);
        let mut uri = Uri::from_str(&start).map_err(|error| Miss::said(&error.to_string()))?;
        let mut facts = Facts::default();
        for _ in 0..=REDIRECTS {
            let home = origin(&uri).is_some_and(|origin| origin == self.origin);
            let mut request = self.agent.get(uri.clone());
            if let Some(token) = self.token.as_ref().filter(|_| home) {
                request = request.header("Authorization", format!("Bearer {token}"));
            }
            if let Some(range) = range {
                request = request.header("Range", range);
            }
            let reply = request.call();
            let response = reply.map_err(|error| Miss::said(&error.to_string()))?;
            if home {
                facts.take(response.headers());
            }
            if !is_redirect(response.status()) {
                return Ok(Reply { response, facts });
            }
            let location = text(response.headers(), "location").unwrap_or_default();
            uri = follow(&uri, location)
                .ok_or_else(|| Miss::said("it sends us to where no file can be"))?;
        }
        Err(Miss::said("it sends us from place to place"))
    }
}

impl Facts {
    /// The first word on it counts; `x-linked-…` is about the file itself, wherever it is stored.
    fn take(&mut self, headers: &HeaderMap) {
        let hash = |name| text(headers, name).and_then(sha256);
        if self.sha256.is_none() {
            self.sha256 = hash("x-linked-etag").or_else(|| hash("etag"));
        }
        if self.bytes.is_none() {
            self.bytes = number(headers, "x-linked-size");
        }
        if self.commit.is_none() {
            let commit = text(headers, "x-repo-commit").map(str::to_ascii_lowercase);
            self.commit = commit.filter(|commit| is_hex(commit, 40));
        }
    }
}

impl Reply {
    /// Where the body stands in the whole, and how long that is: `bytes 5-99/100`.
    pub fn range(&self) -> Option<(u64, u64)> {
        let range = text(self.response.headers(), "content-range")?;
        let (part, whole) = range.strip_prefix("bytes ")?.split_once('/')?;
        let (from, _) = part.split_once('-')?;
        Some((from.trim().parse().ok()?, whole.trim().parse().ok()?))
    }

    /// How long the body says to be.
    pub fn length(&self) -> Option<u64> {
        number(self.response.headers(), "content-length")
    }

    /// The reply, where it is one with a body to read; `what` was asked for.
    pub fn ok(self, what: &str) -> Result<Reply, Miss> {
        let status = self.response.status();
        match status.as_u16() {
            200 | 206 => Ok(self),
            401 | 403 | 404 => Err(Miss::Elsewhere(format!(
                "it gives us no {what} (status {}): look at the name; what is not for \
                 everybody needs a token in HF_TOKEN",
                status.as_u16()
            ))),
            code => Err(Miss::Elsewhere(format!("it answers with status {code}"))),
        }
    }
}

/// A SHA-256 as an entity tag, `"…"` or `W/"…"`; other tags say nothing about the bytes.
fn sha256(tag: &str) -> Option<String> {
    let hash = tag.trim_start_matches("W/").trim_matches('"');
    is_hex(hash, 64).then(|| hash.to_ascii_lowercase())
}

fn is_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.trim().parse().ok()
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn origin(uri: &Uri) -> Option<Origin> {
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let usual = match scheme.as_str() {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let host = uri.host()?.to_ascii_lowercase();
    Some((scheme, host, uri.port_u16().unwrap_or(usual)))
}

/// Where `location` leads from `from`; nowhere that is less safe, and to no other kind of place.
fn follow(from: &Uri, location: &str) -> Option<Uri> {
    let (scheme, authority) = (from.scheme_str()?, from.authority()?);
    let absolute = match location {
        "" => return None,
        to if to.starts_with("//") => format!("{scheme}:{to}"),
        to if to.starts_with('/') => format!("{scheme}://{authority}{to}"),
        to if to.contains("://") => to.to_string(),
        to => {
            let folder = from
                .path()
                .rsplit_once('/')
                .map_or("", |(folder, _)| folder);
            format!("{scheme}://{authority}{folder}/{to}")
        }
    };
    let uri = Uri::from_str(&absolute).ok()?;
    let (to, ..) = origin(&uri)?;
    (to == "https" || scheme.eq_ignore_ascii_case("http")).then_some(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(location: &str) -> Option<String> {
        let from = Uri::from_static("https://hub.invalid:8443/a/b/file?x=1");
        follow(&from, location).map(|uri| uri.to_string())
    }

    #[test]
    fn redirects_lead_where_they_say_and_never_down() {
        let to = |text: &str| Some(text.to_string());
        assert_eq!(led("/c?d=2"), to("https://hub.invalid:8443/c?d=2"));
        assert_eq!(led("c"), to("https://hub.invalid:8443/a/b/c"));
        assert_eq!(led("//cdn.invalid/c"), to("https://cdn.invalid/c"));
        assert_eq!(led("https://cdn.invalid/c"), to("https://cdn.invalid/c"));
        for nowhere in [
            "",
            "http://cdn.invalid/c",
            "file:///etc/passwd",
            "ftp://a/b",
        ] {
            assert_eq!(led(nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn another_port_or_scheme_is_another_place() {
        let of = |text| origin(&Uri::from_static(text));
        assert_eq!(of("https://hub.invalid/a"), of("https://HUB.invalid:443/b"));
        assert_ne!(of("https://hub.invalid/a"), of("https://hub.invalid:444/a"));
        assert_ne!(of("https://hub.invalid/a"), of("http://hub.invalid/a"));
        assert_ne!(
            of("https://hub.invalid/a"),
            of("https://hub.invalid.evil/a")
        );
    }

    #[test]
    fn only_a_sha256_counts_as_one() {
        let hash = "AB".repeat(32);
        assert_eq!(sha256(&format!("W/\"{hash}\"")), Some("ab".repeat(32)));
        for other in ["\"../../x\"", "/etc/passwd", "", "\"0123\""] {
            assert_eq!(sha256(other), None);
        }
    }
}
