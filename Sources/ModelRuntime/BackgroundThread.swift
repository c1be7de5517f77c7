internal import CProcess

/// Threads whose work nobody waits for.
package enum BackgroundThread {
    /// Makes the calling thread give way to others on processor and disk, for good; threads that it starts too.
    /// The system shows it by `name`, of at most 15 bytes (`ps -L`, `top -H`).
    package static func giveWay(niceness: Int32, as name: String) { martlet_give_way(niceness, name) }
}
