internal import MartletTypes

/// Bounds of the agent, each with its reason.
enum AgentLimits {
    /// How long an engine may take to unpack, in seconds: three gigabytes on a slow card.
    static let unpackSeconds = 1800
    /// How long the heads of one model's files may take to read, in seconds: a vocabulary of megabytes from a slow
    /// card, and under emulation.
    static let weightCheckSeconds = 120
    /// Files that the agent may have open: connections to the gateway and to engines hold two each. Beyond this a leak
    /// would only take longer to be seen.
    static let openFiles: UInt64 = 65_536
    /// Between two tries of what a child does, where the box itself may have been the hindrance.
    static let hinderedPause = Duration.seconds(300)
    /// What a child may say of the files that it read: two short strings and a number.
    static let childAnswerBytes = 4096
    /// What of a child's words is kept.
    static let childWordsCharacters = 400
    /// `general.architecture`; real ones have under 20.
    static let architectureBytes = 128
    /// Memory that a reader may write to: the largest table of tensors takes some tens of megabytes, and what is kept
    /// of a file's values four; the weights are mapped, and do not count.
    static let weightCheckMemory = ByteCount.mebibytes(512)
    /// How long a program on trial may take to say what it is, in seconds: under emulation starts are slow.
    static let describeSeconds = 60
    /// How often it is looked whether a trial is over.
    static let trialLook = Duration.milliseconds(200)
    /// A program that restarts into another does nothing more; how often it looks at that is all one.
    static let endOfProgram = Duration.seconds(3600)
    /// What the journal may take before a restart into another program: it notes why.
    static let restartPause = Duration.milliseconds(500)
    /// A configuration file; one with every option is under 4 KiB.
    static let configurationBytes = 256 * 1024
    /// Reports in one call: a few hundred bytes each, far below the body limit.
    static let reportsPerCall = 200
    /// Tries of one blob within one fetch before the slot waits.
    static let blobAttempts = 5
    /// Time between two looks at a blob that another slot brings.
    static let sharedBlobInterval = Duration.milliseconds(200)
    /// Shortest pause after a failed call to the registry.
    static let firstPause = Duration.milliseconds(500)
    /// Life that an assignment must have left for an installation at work to go by it: one with less is asked for anew,
    /// at a moment of each device's own within half of this. Registries sign for a day.
    static let assignmentRenewal = Duration.seconds(12 * 3600)
    /// Between two questions for an assignment that was accepted already: the registry may not have it any more, or
    /// sign it for no longer.
    static let renewalPause = Duration.seconds(600)
    /// Longest pause between calls to a registry that does not answer: it is found again within half a minute, and ten
    /// thousand devices make a few hundred calls a second.
    static let longestPause = Duration.seconds(30)
    /// Time between two refreshes of metadata that nothing asked for.
    static let refreshInterval = Duration.seconds(600)
    /// Time between two looks at the certificate's age.
    static let renewalInterval = Duration.seconds(3600)
    /// Longest silence of an inventory: it is sent again even where nothing changed.
    static let inventoryInterval = Duration.seconds(3600)
    /// How far the system clock may be behind what signatures vouch for.
    static let clockTolerance = Duration.seconds(300)
    /// How far the system clock may be ahead of what is known: no agent runs for longer without hearing of anything
    /// signed, and a clock chip whose battery is empty shows times far beyond.
    static let clockHorizon = Duration.seconds(8 * 366 * 86_400)
    /// A system clock that falls by more than this was set right, and is followed.
    static let clockSetback = Duration.seconds(3600)
    /// Time between two looks at the system clock.
    package static let clockInterval = Duration.seconds(60)
    /// The same while it cannot be right: whoever sets it looks at the device for what comes of it.
    static let wrongClockInterval = Duration.seconds(1)
    /// Starts in a row of which none lasted for `calm` that make a boot loop.
    static let startsInLoop = 5
    /// How long an agent must run for its start to count as good, and in a boot loop before candidates are tried again.
    package static let calm = Duration.seconds(300)
    /// How long another program of the agent must run for its start to count as good: less than `calm`, for what it is
    /// judged by is whether it can serve at all.
    static let steadyMinute = Duration.seconds(60)
    /// What a try of a blob must bring for the count of failed tries to begin anew: a peer that sends a byte and closes
    /// is not a bad link.
    static let blobProgress: Int64 = 1024 * 1024
    /// Requests for one blob within one fetch, whatever they bring.
    static let blobRequests = 1_000
    /// How long a registry may ask a device to stay out of touch: assignments and reports wait meanwhile.
    static let longestSilence = Duration.seconds(3600)
    /// How long it may ask a device to leave an installation alone.
    static let longestAsked = Duration.seconds(86_400)
    /// Ends of a serving engine in a row, none of which came after `longestRestart` of service, that make a crash loop.
    static let crashesInLoop = 5
    /// Service after which a crash loop is over, and another one is told of at once.
    static let steadyRun = Duration.seconds(120)
    /// First pause before an engine is started again.
    static let firstRestart = Duration.milliseconds(100)
    /// Longest pause before an engine is started again.
    static let longestRestart = Duration.seconds(30)
    /// Questions about health in a row that a busy engine may leave open before it is ended.
    static let healthSilences = 3
    /// Grace between SIGTERM and SIGKILL for an engine whose requests are over.
    static let engineGrace = Duration.seconds(3)
    /// How long open answers may go on when the agent stops: under the 90 s after which systemd kills.
    static let shutdownDrain = Duration.seconds(20)
    /// One line of the control socket.
    static let controlBytes = 64 * 1024
    /// Connections to the control socket at once.
    static let controlConnections: Int32 = 8
    /// Lines of history in a status.
    static let statusHistory = 20
    /// Between two looks at power and heat, of which nothing tells by itself.
    static let conditionInterval = Duration.seconds(60)
    /// The longest between two looks at a maintenance window: the box may sleep, or be carried into another time zone.
    static let longestLook = Duration.seconds(3600)
    /// Above this the warmest zone keeps a candidate from being shadowed, where the profile says nothing of heat.
    static let shadowCelsius = 85
    /// Model signatures of one variant that are looked at: a registry could list them without end.
    static let modelSignatures = 16
    /// Model signatures of one bundle that are remembered: some thousands.
    static let bundledSignatureBytes = 4 * 1024 * 1024
    /// Between two looks whether memory has become free for a request that waits.
    static let roomInterval = Duration.milliseconds(50)
    /// How much longer an engine waits for room that another has which is only being started.
    static let briefRoomWait = Duration.seconds(60)
    /// For how long requests of a slot that has no room are refused without a look.
    static let hopelessInterval = Duration.seconds(5)
}
