use crate::document::convert::{Format, convert};
use crate::document::converted::{Converted, Trouble};
use crate::document::{Excerpt, from_bytes};
use crate::testing::pdf;

fn text(bytes: &[u8]) -> Result<Converted, Trouble> {
    convert(Format::Pdf, bytes, None)
}

#[test]
fn pages_become_text_with_their_numbers() {
    let file = pdf::document(&["Tenancy (draft)\n\nEither party may", "end it."]);
    let read = text(&file).unwrap();
    assert_eq!(read.pages, Some(2));
    assert_eq!(
        read.text,
        "[page 1]\nTenancy (draft)\n\nEither party may\n\n[page 2]\nend it.\n"
    );
    let second = convert(Format::Pdf, &file, Excerpt::parse("2-9")).unwrap();
    assert_eq!(
        (second.text.as_str(), second.pages),
        ("[page 2]\nend it.\n", Some(1))
    );
    let beyond = convert(Format::Pdf, &file, Excerpt::parse("3-"));
    assert_eq!(beyond, Err(Trouble::Beyond { all: 2 }));
}

#[test]
fn words_and_columns_are_told_by_where_they_stand() {
    let content = "BT /F1 10 Tf 50 700 Td [(Kern) -30 (ed) -400 (words)] TJ 200 0 Td (right) Tj \
        -200 -12 Td (next) Tj 0 -40 Td (apart) Tj ET";
    let file = pdf::file(&pdf::objects(&[pdf::stream("", content.as_bytes())]), "");
    assert_eq!(
        text(&file).unwrap().text,
        "Kerned words  right\nnext\n\napart\n"
    );
}

#[test]
fn text_that_is_drawn_twice_is_read_once() {
    let content = "BT /F1 10 Tf 2 Tr 50 700 Td (bold) Tj ET BT 50.3 700 Td (bold) Tj ET";
    let file = pdf::file(&pdf::objects(&[pdf::stream("", content.as_bytes())]), "");
    assert_eq!(text(&file).unwrap().text, "bold\n");
}

#[test]
fn what_cannot_be_read_is_said_in_plain_words() {
    let said = |bytes: &[u8]| from_bytes("a.pdf", bytes).unwrap_err().to_string();
    assert!(said(&pdf::locked()).contains("asks for a password"));
    let scan = pdf::file(&pdf::objects(&[pdf::stream("", b"0 0 100 100 re f")]), "");
    assert!(
        said(&scan).contains("only images of 1 page"),
        "{}",
        said(&scan)
    );
    assert!(said(&scan).contains("ocrmypdf"));
    assert!(said(b"%PDF-1.7\nnothing more").contains("damaged"));
}

#[test]
fn a_cut_file_is_read_as_far_as_it_goes_or_refused() {
    let whole = pdf::document(&["first page", "second page"]);
    for end in (0..whole.len()).step_by(7) {
        match text(&whole[..end]) {
            Ok(read) => assert!(read.text.contains("page"), "{}", read.text),
            Err(trouble) => assert!(
                matches!(trouble, Trouble::Damaged | Trouble::NoText { .. }),
                "{trouble:?}"
            ),
        }
    }
}

#[test]
fn circles_end() {
    let contents = pdf::lines("in a circle");
    // A page tree that holds itself.
    let mut objects = pdf::objects(std::slice::from_ref(&contents));
    objects[1] = b"<< /Type /Pages /Kids [2 0 R 4 0 R] /Count 2 /Parent 2 0 R >>".to_vec();
    let _ = text(&pdf::file(&objects, ""));
    // A drawing that draws itself, twice each time.
    let form =
        "/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 5 0 R >> >>";
    objects = pdf::objects(&[pdf::stream(form, b"/X Do")]);
    let _ = text(&pdf::file(&objects, ""));
    // Objects that are each other, and a table that comes before itself.
    objects = pdf::objects(&[contents]);
    objects[2] = b"3 0 R".to_vec();
    let _ = text(&pdf::file(&objects, "/Prev 0"));
    let file = pdf::file(&objects, "");
    let at = String::from_utf8_lossy(&file).find("xref").unwrap_or(0);
    let _ = text(&pdf::file(&objects, &format!("/Prev {at}")));
    // Brackets within brackets.
    objects[2] = [b"[".repeat(200_000), b"]".repeat(200_000)].concat();
    let _ = text(&pdf::file(&objects, ""));
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]
    #[test]
    fn damaged_files_do_no_harm(
        changes in proptest::collection::vec((0usize..2000, proptest::num::u8::ANY), 1..40),
    ) {
        let mut bytes = pdf::document(&["some text", "and more of it"]);
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        // A text or a trouble: a panic of the library would be one as well, a full stack would not.
        let _ = text(&bytes);
    }
}
