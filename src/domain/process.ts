/** What a process says of itself from time to time. */
export interface ProcessReport {
  readonly id: string
  readonly role: 'start' | 'api' | 'worker'
  readonly host: string
  readonly pid: number
  readonly version: string
  readonly startedAt: Date
  readonly state: ProcessState
}

export interface ProcessState {
  /** In their order of preference; empty in a process that asks no node. */
  readonly nodes: readonly NodeState[]
  /** Whether it follows the blocks. */
  readonly leads: boolean
  /** The newest block that it followed. */
  readonly followedBlock: number | null
}

/** A node as a process last saw it. Times are ISO 8601. */
export interface NodeState {
  readonly name: string
  readonly headNumber: number | null
  /** The head's own time. */
  readonly headAt: string | null
  readonly seenAt: string | null
  /** Why it is not used at the moment. */
  readonly problem: string | null
}

/** A report and when it was made, by the database's clock. */
export interface SeenProcess extends ProcessReport {
  readonly seenAt: Date
}
