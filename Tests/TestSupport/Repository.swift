public import Foundation

/// The files of this checkout.
public enum Repository {
    /// Its root folder.
    public static let root = URL(filePath: #filePath).appending(path: "../../..").standardizedFileURL

    /// A file or folder by its path from the root, such as `docs/backup.md`.
    public static func file(_ path: String) -> URL { root.appending(path: path).standardizedFileURL }
}
