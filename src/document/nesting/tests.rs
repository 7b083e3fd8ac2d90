use super::*;
use crate::testing::Work;

#[test]
fn honest_pages_stay_as_they_are() {
    let row = "<tr><td><font size=2>a<td align='>'>b";
    let item = "<li><b>one</b><p>two<br><li>three<div>four</div>";
    let page = [
        "<!doctype html><!-- <div> --><title><div></title><script>'<div>'</script>",
        "<ul>",
        &item.repeat(2_000),
        "</ul><table>",
        &row.repeat(2_000),
        "</table>",
        &"<a name=x>c <dl><dt>d<dd>e</dl>".repeat(2_000),
        &"<p>a < b <i>c</i> <div title=\"<p>\"></div></x>".repeat(2_000),
    ]
    .concat();
    assert_eq!(flattened(&page), page);
}

#[test]
fn elements_that_are_too_deep_lose_their_tags_and_keep_their_text() {
    let (begin, end) = ("<div>".repeat(100_000), "</div>".repeat(100_000));
    let flat = flattened(&format!("{begin}text{end}<p>more"));
    assert_eq!(flat.matches("<div>").count(), DEEPEST);
    assert_eq!(flat.matches("</div>").count(), DEEPEST);
    assert!(flat.contains("text") && flat.ends_with("<p>more"));
    assert_eq!(flattened("a<svg><g/><g><b></svg >b<svg>c"), "a</svg >bc");
}

/// Ends that a parser passes over end nothing.
#[test]
fn nothing_hides_how_deep_a_page_is() {
    for (again, deep) in [
        ("<span><div></span>", 2),
        ("<div></x>", 1),
        ("<b><div></b>", 1),
        ("<div><table><td></div>", 3),
        ("<div><select></div></select>", 1),
        ("<li><ul></li>", 2),
        ("<li><dd>", 2),
        ("<span><b></span>", 1),
        ("<table><div></td>", 2),
        ("<form><div></form>", 1),
        ("<div =\"><x>", 2),
        ("<div a=\"></div>\">", 1),
        ("<!--><div>-->", 1),
    ] {
        let mut open = Open::default();
        follow(&again.repeat(20), &mut open);
        assert_eq!(open.elements.len(), 20 * deep, "{again}");
    }
}

#[test]
fn no_page_takes_long_to_flatten() {
    let work = Work::begin();
    for again in [
        "<svg>", "<!-- ", "<!----!>", "<div ='", "</x>", "<i></b>", "<script>", "</",
    ] {
        let page = again.repeat((1 << 20) / again.len());
        assert!(flattened(&page).len() <= page.len(), "{again}");
    }
    assert!(work.done().as_secs() < 10, "{:?}", work.done());
}
