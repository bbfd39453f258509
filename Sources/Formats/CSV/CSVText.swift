/// A table as RFC 4180 writes it: a header, records that end in CRLF, fields in quotation marks where
/// they hold a comma, a quotation mark or the end of a line.
package struct CSVText {
  private let columns: Int
  /// What was written.
  package private(set) var text = ""

  /// A table with the columns of `header`.
  package init(_ header: [String]) {
    columns = header.count
    append(header)
  }

  /// Adds a record, which has as many fields as the header.
  package mutating func append(_ record: [String]) {
    precondition(record.count == columns, "\(record.count) fields in \(columns) columns")
    text += record.map(Self.field).joined(separator: ",") + "\r\n"
  }

  private static func field(_ value: String) -> String {
    let isPlain = value.utf8.allSatisfy {
      ![UInt8(ascii: ","), UInt8(ascii: "\""), UInt8(ascii: "\r"), UInt8(ascii: "\n")].contains($0)
    }
    return isPlain ? value : "\"\(value.replacing("\"", with: "\"\""))\""
  }
}
