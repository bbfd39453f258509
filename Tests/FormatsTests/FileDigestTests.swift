import Formats
import Foundation
import PlanIR
import Testing

@Suite struct FileDigestTests {
  private let folder = try? TemporaryFolder()

  private func digest(_ bytes: [UInt8]) throws -> Digest {
    let path = try #require(folder).path + "/file"
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return try FileDigest.digest(of: path)
  }

  @Test(arguments: [0, 1, 31, 32, 33, 100])
  func `every bit and the length of a file count`(_ size: Int) throws {
    let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 37) }
    var digests: Set<Digest> = [try digest(bytes), try digest(bytes + [0])]
    #expect(try digests.contains(digest(bytes)))
    for bit in 0..<(8 * size) {
      var other = bytes
      other[bit / 8] ^= 1 << (bit % 8)
      digests.insert(try digest(other))
    }
    #expect(digests.count == 8 * size + 2)
  }

  @Test func `a file that is missing is told`() throws {
    let path = try #require(folder).path + "/none"
    #expect(throws: FormatError.self) { try FileDigest.digest(of: path) }
  }
}
