import PlanIR
import Testing

@Suite struct DigestTests {
  private func text(_ add: (inout Digest) -> Void) -> String {
    var digest = Digest()
    add(&digest)
    return digest.text
  }

  @Test func `nothing has the offset of FNV-1a, and eight bytes what its definition gives`() {
    #expect(text { _ in } == "6c62272e07bb014262b821756295c58d")
    // Of "foobar\0\0", reckoned apart with integers of any size.
    #expect(text { $0.add(0x7261_626F_6F66 as UInt64) } == "7956a785d1659b4a56e96643c6d7ad58")
  }

  @Test func `texts do not run together, and order counts`() {
    let texts = [["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["c", "ab"]].map { words in
      text { digest in for word in words { digest.add(word) } }
    }
    #expect(Set(texts).count == texts.count)
  }
}
