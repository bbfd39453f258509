import Formats
import Glibc
import Testing

@Suite("Files written whole or not at all")
struct AtomicFileTests {
  private func text(_ path: String) throws -> String {
    String(decoding: try FileBytes.contents(of: path, limit: 1 << 20), as: UTF8.self)
  }

  @Test("A new file appears and an old one is replaced, with nothing beside it")
  func replaces() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.json"
    try AtomicFile.write("first", to: path)
    #expect(try text(path) == "first")
    chmod(path, 0o640)
    try AtomicFile.write("second", to: path)
    #expect(try text(path) == "second")
    #expect(folder.contents() == ["a.json"])
    var status = stat()
    stat(path, &status)
    #expect(status.st_mode & 0o777 == 0o640)
  }

  @Test("Without commit the old file stays and nothing is left")
  func abandoned() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("old", "a.json")
    do {
      var file = try AtomicFile(replacing: path)
      try file.append(Array("new".utf8))
      #expect(folder.contents().count == 2)
    }
    #expect(try text(path) == "old")
    #expect(folder.contents() == ["a.json"])
  }

  @Test("A symbolic link stays and its target is replaced")
  func link() throws {
    let folder = try TemporaryFolder()
    let target = try folder.write("old", "target")
    symlink("target", folder.path + "/link")
    try AtomicFile.write("new", to: folder.path + "/link")
    #expect(try text(target) == "new")
    var status = stat()
    lstat(folder.path + "/link", &status)
    #expect(status.st_mode & S_IFMT == S_IFLNK)
    #expect(folder.contents() == ["link", "target"])
  }

  @Test("A device is written to, not replaced")
  func device() throws {
    try AtomicFile.write("gone", to: "/dev/null")
    var status = stat()
    stat("/dev/null", &status)
    #expect(status.st_mode & S_IFMT == S_IFCHR)
  }

  @Test("A full disk is told and nothing is left")
  func full() {
    let error = #expect(throws: FormatError.self) { try AtomicFile.write("x", to: "/dev/full") }
    #expect(
      error?.description == "/dev/full: cannot be written: no space left on device; "
        + "check the folder's permissions and free space")
    #expect(error?.exitCode == 74)
  }

  @Test("A missing folder and a folder in the file's place are told")
  func folders() throws {
    let folder = try TemporaryFolder()
    for path in [folder.path + "/none/a.json", folder.path] {
      let error = #expect(throws: FormatError.self) { try AtomicFile.write("x", to: path) }
      #expect(error?.exitCode == 74)
    }
    #expect(folder.contents() == [])
  }

  @Test("A name as long as the system allows can be written")
  func longName() throws {
    let folder = try TemporaryFolder()
    let name = String(repeating: "n", count: 255)
    try AtomicFile.write("x", to: "\(folder.path)/\(name)")
    #expect(folder.contents() == [name])
  }
}
