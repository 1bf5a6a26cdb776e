import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Observation } from '../../../src/domain/finality.ts'

/** A flow under way in one process. */
export interface Task {
  readonly process: number
  readonly name: string
  /** The hash and chain that it is about; null for a sweep. */
  readonly subject: string | null
  /** What it saw of the chain last. */
  observation: Observation | null
}

/** What happens to an operation: it fails unexecuted, or it is executed and its answer is lost. */
export type Fault = 'none' | 'before' | 'after'

export class InjectedFault extends Error {
  override readonly name = 'InjectedFault'
}

interface Gate {
  readonly task: Task
  open(fault: Fault): void
}

/**
 * Runs flows one operation at a time. Every operation on the store, the chain or the broker first waits at a
 * gate; whoever drives the history opens one after the other, in any order, with or without a fault. A crash
 * is a gate that never opens: what was done before it is done, what comes after it never happens.
 */
export interface Stepper {
  /** Does an operation of a task once its gate is opened. */
  pass<T>(task: Task, operation: () => Promise<T> | T, onFault?: (fault: Fault) => void): Promise<T>
  /** Tasks that wait at a gate; one with several operations at once is in it several times. */
  waiting(): readonly Task[]
  /** Opens the gate at this place and waits until everything stands again. */
  step(place: number, fault: Fault): Promise<void>
  /** Drops what the given process had under way. */
  crash(process: number): void
  /** Opens all gates, one by one, until nothing is under way. */
  drain(): Promise<void>
  /** Waits until everything stands at a gate or is finished. */
  settle(): Promise<void>
}

export function createStepper(): Stepper {
  let gates: Gate[] = []
  let underWay = 0

  async function settle(): Promise<void> {
    do await nextTurn()
    while (underWay > 0)
  }

  async function step(place: number, fault: Fault): Promise<void> {
    const gate = gates[place]
    if (!gate) return
    gates = gates.filter((each) => each !== gate)
    gate.open(fault)
    await settle()
  }

  return {
    pass: async (task, operation, onFault) => {
      const fault = await new Promise<Fault>((open) => {
        gates.push({ task, open })
      })
      if (fault !== 'none') onFault?.(fault)
      if (fault === 'before') throw new InjectedFault('it was not carried out')
      underWay += 1
      try {
        const result = await operation()
        if (fault === 'after') throw new InjectedFault('it was carried out, but the answer is lost')
        return result
      } finally {
        underWay -= 1
      }
    },
    waiting: () => gates.map(({ task }) => task),
    step,
    crash: (process) => {
      gates = gates.filter(({ task }) => task.process !== process)
    },
    drain: async () => {
      await settle()
      while (gates.length > 0) await step(0, 'none')
    },
    settle,
  }
}
