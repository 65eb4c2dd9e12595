//! As much of Protocol Buffers as etcd's questions need: fields of bytes and of numbers, without schema.

/// A field's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    /// Wire type 0.
    Number(u64),
    /// Wire type 2: bytes, text or a message.
    Bytes(&'a [u8]),
}

fn write_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn read_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(taken)
}

/// Adds a field of bytes.
pub(super) fn write_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    write_number(out, field << 3 | 2);
    write_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// The first field of this number; `None` if there is none, or the bytes are no message.
pub(super) fn find(mut message: &[u8], field: u64) -> Option<Field<'_>> {
    while !message.is_empty() {
        let tag = read_number(&mut message)?;
        let content = match tag & 7 {
            0 => Some(Field::Number(read_number(&mut message)?)),
            1 => take(&mut message, 8).map(|_| None)?,
            2 => {
                let length = read_number(&mut message)?;
                Some(Field::Bytes(take(&mut message, length)?))
            }
            5 => take(&mut message, 4).map(|_| None)?,
            _ => return None,
        };
        if tag >> 3 == field {
            return content;
        }
    }
    None
}

/// The first field of this number, if it holds bytes.
pub(super) fn bytes(message: &[u8], field: u64) -> Option<&[u8]> {
    match find(message, field)? {
        Field::Bytes(bytes) => Some(bytes),
        Field::Number(_) => None,
    }
}

/// The first field of this number, if it holds a number.
pub(super) fn number(message: &[u8], field: u64) -> Option<u64> {
    match find(message, field)? {
        Field::Number(number) => Some(number),
        Field::Bytes(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_encoding_guide_are_read_and_written() {
        // protobuf.dev/programming-guides/encoding: 150 in field 1, "testing" in field 2.
        assert_eq!(number(&[0x08, 0x96, 0x01], 1), Some(150));
        let testing = [0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67];
        assert_eq!(bytes(&testing, 2), Some(&b"testing"[..]));
        let mut written = Vec::new();
        write_bytes(&mut written, 2, b"testing");
        assert_eq!(written, testing);
    }

    #[test]
    fn other_fields_are_skipped_and_cut_messages_hold_nothing() {
        let mut message = vec![0x08, 1, 0x11];
        message.extend([9; 8]);
        message.extend([0x1d, 9, 9, 9, 9]);
        write_bytes(&mut message, 5, &[7; 300]);
        assert_eq!(bytes(&message, 5), Some(&[7; 300][..]));
        assert_eq!(bytes(&message, 6), None);
        assert_eq!(number(&message, 5), None, "it holds bytes");
        for cut in 1..message.len() {
            assert_eq!(bytes(&message[..cut], 5), None, "cut at {cut}");
        }
    }
}
