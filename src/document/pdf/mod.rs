//! PDF → text, page by page. Fonts and content streams are read by the `hayro` crates; what is
//! ours is putting their glyphs together to lines.

mod layout;
#[cfg(test)]
pub(crate) mod tests;

use hayro_interpret::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};
use hayro_interpret::kurbo::{Affine, Rect};
use hayro_interpret::{Context, InterpreterCache, InterpreterSettings, interpret_page};

use super::converted::{Converted, TEXT_LIMIT, Trouble};
use super::excerpt::Excerpt;

/// The text of these pages, each under its number where there are several.
pub fn text(bytes: Vec<u8>, part: Option<Excerpt>) -> Result<Converted, Trouble> {
    let pdf = Pdf::new(bytes).map_err(|error| match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => Trouble::Locked,
        LoadPdfError::Decryption(_) => Trouble::Encryption,
        LoadPdfError::Invalid => Trouble::Damaged,
    })?;
    let pages = pdf.pages();
    let all = pages.len();
    if all == 0 {
        return Err(Trouble::Damaged);
    }
    let range = match part {
        Some(part) => part.within(all).ok_or(Trouble::Beyond { all })?,
        None => 0..all,
    };
    let several = all > 1;
    let cache = InterpreterCache::new();
    let mut out = String::new();
    let (mut letters, mut unknown) = (0, 0);
    for (page, number) in pages[range.clone()].iter().zip(range.start + 1..) {
        let mut context = Context::new(
            Affine::IDENTITY,
            Rect::new(0.0, 0.0, 1.0, 1.0),
            &cache,
            pdf.xref(),
            InterpreterSettings::default(),
        );
        let mut lines = layout::Lines::default();
        interpret_page(page, &mut context, &mut lines);
        letters += lines.letters;
        unknown += lines.unknown;
        let text = lines.text();
        if several {
            out.push_str(&format!("[page {number}]\n"));
        }
        out.push_str(text.trim_matches('\n'));
        out.push_str("\n\n");
        if out.len() > TEXT_LIMIT {
            return Err(Trouble::TooMuchText);
        }
    }
    if letters == 0 {
        return Err(match unknown {
            0 => Trouble::NoText { pages: range.len() },
            _ => Trouble::Unreadable,
        });
    }
    if unknown > letters {
        return Err(Trouble::Unreadable);
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    Ok(Converted {
        text: out,
        pages: Some(range.len()),
    })
}
