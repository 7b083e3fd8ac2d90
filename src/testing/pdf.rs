//! PDF files written by hand, honest and hostile ones.

/// A file of these objects (numbered from 1, the catalogue first) with a table of where they are;
/// `trailer` goes into the trailer's dictionary.
pub fn file(objects: &[Vec<u8>], trailer: &str) -> Vec<u8> {
    let mut out = b"%PDF-1.7\n".to_vec();
    let mut places = Vec::new();
    for (object, number) in objects.iter().zip(1..) {
        places.push(out.len());
        out.extend(format!("{number} 0 obj\n").bytes());
        out.extend(object);
        out.extend(b"\nendobj\n");
    }
    let table = out.len();
    let size = objects.len() + 1;
    out.extend(format!("xref\n0 {size}\n0000000000 65535 f \n").bytes());
    for place in places {
        out.extend(format!("{place:010} 00000 n \n").bytes());
    }
    let trailer = format!("trailer\n<< /Size {size} /Root 1 0 R {trailer} >>\n");
    out.extend(format!("{trailer}startxref\n{table}\n%%EOF\n").bytes());
    out
}

/// A stream object.
pub fn stream(dictionary: &str, data: &[u8]) -> Vec<u8> {
    let mut out = format!("<< /Length {} {dictionary} >>\nstream\n", data.len()).into_bytes();
    out.extend(data);
    out.extend(b"\nendstream");
    out
}

/// Catalogue, page tree and font (objects 1–3) and a page for each content: objects 4, 5 for the
/// first, and so on.
pub fn objects(contents: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let kids: String = (0..contents.len())
        .map(|i| format!("{} 0 R ", 4 + 2 * i))
        .collect();
    let count = contents.len();
    let mut objects = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        format!("<< /Type /Pages /Kids [{kids}] /Count {count} >>").into_bytes(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
            .to_vec(),
    ];
    for (i, content) in contents.iter().enumerate() {
        let resources = "<< /Font << /F1 3 0 R >> /XObject << /X 5 0 R >> >>";
        objects.push(
            format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources {resources} \
                 /Contents {} 0 R >>",
                5 + 2 * i
            )
            .into_bytes(),
        );
        objects.push(content.clone());
    }
    objects
}

/// What draws these lines under each other; an empty one leaves a gap.
pub fn lines(text: &str) -> Vec<u8> {
    let mut out = "BT /F1 12 Tf 72 720 Td 14 TL\n".to_owned();
    for line in text.lines() {
        let line = line.replace('\\', "\\\\");
        let line = line.replace('(', "\\(").replace(')', "\\)");
        out.push_str(&format!("({line}) Tj T*\n"));
    }
    out.push_str("ET");
    stream("", out.as_bytes())
}

/// A document of these pages.
pub fn document(pages: &[&str]) -> Vec<u8> {
    let contents: Vec<Vec<u8>> = pages.iter().map(|page| lines(page)).collect();
    file(&objects(&contents), "")
}

/// A document that nobody without its password can read.
pub fn locked() -> Vec<u8> {
    let secret = "5a".repeat(32);
    let mut objects = objects(&[lines("secret")]);
    objects.push(
        format!("<< /Filter /Standard /V 2 /R 3 /Length 128 /P -1 /O <{secret}> /U <{secret}> >>")
            .into_bytes(),
    );
    let encrypt = objects.len();
    let id = "00".repeat(16);
    file(
        &objects,
        &format!("/Encrypt {encrypt} 0 R /ID [<{id}> <{id}>]"),
    )
}

/// A page whose content unfolds to `bytes` of zeros from a hundred and sixtieth of them.
pub fn bomb(bytes: usize) -> Vec<u8> {
    let mut bits = Bits::default();
    // The last block, with fixed codes: a zero, then "258 times what stands one byte back".
    bits.push(0b011, 3);
    bits.push(u32::from(0x30u8.reverse_bits()), 8);
    for _ in 0..bytes / 258 {
        bits.push(u32::from(0b1100_0101u8.reverse_bits()), 8);
        bits.push(0, 5);
    }
    bits.push(0, 7);
    let mut data = vec![0x78, 0x01];
    data.extend(bits.out);
    data.push(bits.byte as u8);
    file(&objects(&[stream("/Filter /FlateDecode", &data)]), "")
}

#[derive(Default)]
struct Bits {
    out: Vec<u8>,
    byte: u32,
    filled: u32,
}

impl Bits {
    /// The lowest bits first.
    fn push(&mut self, bits: u32, count: u32) {
        self.byte |= bits << self.filled;
        self.filled += count;
        while self.filled >= 8 {
            self.out.push(self.byte as u8);
            self.byte >>= 8;
            self.filled -= 8;
        }
    }
}
