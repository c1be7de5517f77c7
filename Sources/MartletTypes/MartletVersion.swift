/// The version of this build of Martlet, by SemVer; CHANGELOG.md says what it holds.
package enum MartletVersion {
    package static let text = "0.1.0"
}
