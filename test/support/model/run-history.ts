import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Disposition } from '../../../src/domain/check-queue.ts'
import type { Query } from '../../../src/domain/finality.ts'
import type { Handler } from '../../../src/domain/handler.ts'
import { type Check, checkOf, encodeChecks, parseCheckMessages } from '../../../src/domain/message.ts'
import { delayCovering, longestDelayMs } from '../../../src/domain/schedule.ts'
import type { Transaction, TransactionStatus } from '../../../src/domain/transaction.ts'
import { checkSlowly } from '../../../src/flows/check-slowly.ts'
import { type Confirm, createConfirm } from '../../../src/flows/confirm.ts'
import type { ConfirmObserver, Log } from '../../../src/flows/ports.ts'
import { republishLost } from '../../../src/flows/republish-lost.ts'
import { createSubmit } from '../../../src/flows/submit.ts'
import { NO_TRACING } from '../../../src/observe/tracing.ts'
import type { Leased } from '../../../src/store/lease.ts'
import { type BrokerMessage, createModelBroker } from './broker.ts'
import { createModelChain } from './chain.ts'
import type { Happening, History } from './history.ts'
import type { ModelStore, StorePorts } from './model-store.ts'
import { MODEL_LEASE_MS, MODEL_POLICY, UNIT_MS } from './policy.ts'
import { CHAINS, chainNamed, chainOf, isApi, processOf, subjectOf, transactionAt } from './processes.ts'
import { createReferee, describe } from './referee.ts'
import { createStepper, InjectedFault, type Task } from './stepper.ts'

export interface RunOptions {
  /** The rows at this moment, where the store can show them: then every change is judged. */
  readonly rows?: () => ReadonlyMap<string, Transaction>
  /** Told of every operation of the store and its answer, without what differs from run to run. */
  readonly onAnswer?: (line: string) => void
  /** Told of every change of state. */
  readonly onReached?: (from: TransactionStatus, to: TransactionStatus) => void
}

const KIND = 'order'

/** The store's operations that note what a look saw. */
const NOTING = new Set(['recordWait', 'recordLook', 'recordWriteFailure', 'stall'])

/** Rounds of one unit of time after which everything must have its verdict, faults being over. */
const MAX_ROUNDS = 80

const silent = () => undefined
const LOG: Log = { info: silent, warn: silent, error: silent }
const OBSERVER: ConfirmObserver = {
  checked: silent,
  retried: silent,
  settled: silent,
  stalled: silent,
  expired: silent,
  handlerFailed: silent,
  parked: silent,
}

/**
 * Runs a history on the real flows, then ends all faults and lets time pass. Throws at the first broken
 * promise. In it are the APIs and workers of two chains as processes that can crash at every operation, the chains, a
 * broker or the table as the queue of all, and the given store.
 */
export async function runHistory<Trx>(
  store: ModelStore<Trx>,
  history: History,
  { rows, onAnswer, onReached = silent }: RunOptions = {},
): Promise<void> {
  const { queue, depth } = history
  const stepper = createStepper()
  const chains = { kaia: createModelChain(depth), kairos: createModelChain(depth) }
  const broker = createModelBroker(store.elapsedMs)
  const referees = {
    kaia: createReferee('kaia', chains.kaia, onReached),
    kairos: createReferee('kairos', chains.kairos, onReached),
  }
  const ids = new Map<string, string>()
  const inHand = new Map<BrokerMessage, Task>()
  /** Transactions whose message a fault took away: only the sweep finds them again. */
  const leftToSweep = new Set<string>()
  /** Rechecked while expired and not looked at since. */
  const owedLooks = new Set<string>()
  let isRefusing = false
  let broken: unknown = null

  const handler: Handler<Trx> = {
    kind: KIND,
    confirmed: async ({ trx, transaction }) => {
      await store.writeOrder(trx, transaction)
      if (isRefusing) throw new Error('refused')
    },
    failed: () => {
      if (isRefusing) throw new Error('refused')
    },
  }

  /** The store's operations, each behind a gate of the task, each answer judged. */
  function portsOf(task: Task): StorePorts<Trx> {
    const ports = store.portsOf(chainOf(task.process))
    const gated = Object.entries(ports).map(([operation, execute]) => {
      const call = execute as (...given: unknown[]) => Promise<unknown>
      return [
        operation,
        (...given: unknown[]) =>
          stepper
            .pass(
              task,
              () => judged(task, operation, () => call(...given)),
              (fault) => {
                // Committed, but the worker does not know: its message comes back as a stale copy.
                if (fault === 'after' && task.subject !== null) leftToSweep.add(task.subject)
              },
            )
            .catch((error: unknown) => {
              if (!(error instanceof InjectedFault) && !isApi(task.process))
                onAnswer?.(`${operation} rejected`)
              throw error
            }),
      ]
    })
    // It says what an error is, and asks nobody.
    return { ...(Object.fromEntries(gated) as StorePorts<Trx>), refusalOf: ports.refusalOf }
  }

  async function judged(task: Task, operation: string, execute: () => Promise<unknown>): Promise<unknown> {
    const before = new Map(rows?.() ?? [])
    const answer = await execute()
    const sorted = inOrder(answer)
    onAnswer?.(`${task.name} ${operation}: ${normalised(sorted, store.clock())}`)
    if (operation === 'record') noteRecorded(task, (answer as { transaction: Transaction }).transaction)
    if (operation === 'reopen' && (answer as Transaction | null)?.status === 'expired') {
      owedLooks.add(subjectOf(answer as Transaction))
    }
    // Of another chain: its message is acknowledged, and a sweep of that chain publishes the next one.
    if (operation === 'markUnpublished' && task.subject !== null) leftToSweep.add(task.subject)
    for (const [subject, after] of rows?.() ?? []) {
      if (before.get(subject) === after) continue
      const chain = chainNamed(after.chain)
      try {
        referees[chain].judge({ before: before.get(subject), after, operation, task, at: store.clock() })
      } catch (error) {
        // The flows catch errors of the store; this one is for the test.
        broken ??= error
      }
      if (operation === 'reopen' || (NOTING.has(operation) && contradicts(task))) {
        chains[chain].contradict(after.txHash)
      }
    }
    return sorted
  }

  function noteRecorded(task: Task, transaction: Transaction): void {
    ids.set(subjectOf(transaction), transaction.id)
    if (subjectOf(transaction) === task.subject) return
    broken ??= new Error(`${task.subject} was to be recorded, and ${describe(transaction)} was answered`)
  }

  async function observe(task: Task, query: Query) {
    try {
      return await stepper.pass(task, () => {
        const chain = chainOf(task.process)
        task.observation = chains[chain].observe(query)
        const subject = subjectOf({ chain, txHash: query.txHash })
        if (task.observation.kind !== 'unavailable') owedLooks.delete(subject)
        return task.observation
      })
    } catch (error) {
      task.observation = { kind: 'unavailable', error: (error as Error).message }
      return task.observation
    }
  }

  function publish(task: Task, check: Check): Promise<void> {
    return stepper.pass(task, () => {
      if (queue === 'table') return
      if (!broker.isUp) throw new Error('the broker is away')
      const chain = chainNamed(check.chain)
      broker.put({ body: encodeChecks([check]), chain, subject: subjectOf(check) }, 0)
    })
  }

  function confirmOf(task: Task): Confirm {
    return createConfirm({
      store: portsOf(task),
      chain: {
        observe: (query) => observe(task, query),
        findReplacing: async () => ({ kind: 'unknown', reason: 'the model names none' }),
      },
      handlers: new Map([[KIND, handler]]),
      kinds: { roleOf: () => ({ role: 'handles' }) },
      refuseKind: () => null,
      watch: { begin: () => silent },
      policy: { ...MODEL_POLICY, finalityDepthBlocks: depth },
      observer: OBSERVER,
      tracer: NO_TRACING,
      log: LOG,
    })
  }

  function start(
    process: number,
    name: string,
    subject: string | null,
    work: (task: Task) => Promise<unknown>,
  ) {
    const task: Task = { process, name, subject, observation: null }
    work(task).catch((error: unknown) => {
      if (!(error instanceof InjectedFault)) broken ??= error
    })
  }

  /** The API's flow; the first publish that fails is left to the sweep. */
  function submitOf(task: Task) {
    return createSubmit({
      // It notes failed publishes by real time; here it is done below, as an operation like others.
      store: { ...portsOf(task), markUnpublished: async () => undefined },
      queue: {
        publish: (check) =>
          publish(task, check).catch((error: unknown) => {
            leftToSweep.add(subjectOf(check))
            start(task.process, 'note', subjectOf(check), (noting) =>
              portsOf(noting).markUnpublished([check.id], MODEL_POLICY.sweepGraceMs),
            )
            throw error
          }),
      },
      policy: MODEL_POLICY,
      log: LOG,
    })
  }

  const registration = (transaction: number, content: number) => ({
    ...transactionAt(transaction),
    kind: KIND,
    payload: { content },
    sender: null,
    nonce: null,
    correlationId: null,
    traceParent: null,
  })

  /** What a worker does with a message: handle, send on, and only then ack. */
  async function consume(task: Task, message: BrokerMessage): Promise<void> {
    const delivery = {
      message: parseCheckMessages(message.body, chainOf(task.process))[0],
      redelivered: message.deliveryCount > 0,
    }
    const disposition = await confirmOf(task)
      .handle(delivery)
      .catch((): Disposition => {
        // It waits as it is, but no longer marked: should its row have moved on, nothing tells that its
        // first worker died.
        if (message.deliveryCount > 0) leftToSweep.add(message.subject)
        return { kind: 'wait', delayMs: longestDelayMs(MODEL_POLICY.retryDelaysMs) }
      })
    try {
      if (disposition.kind !== 'ack') await stepper.pass(task, () => sendOn(task, message, disposition))
      await stepper.pass(task, () => broker.ack(message))
    } catch {
      broker.requeue(message)
    }
    inHand.delete(message)
  }

  function sendOn(
    task: Task,
    message: BrokerMessage,
    disposition: Exclude<Disposition, { kind: 'ack' }>,
  ): void {
    if (!broker.isUp) throw new Error('the broker is away')
    if (disposition.kind === 'park') {
      // A registration is parked by a worker of another chain. If one of its own has recorded it, a sweep finds the row.
      if (chainOf(task.process) !== message.chain) leftToSweep.add(message.subject)
      return
    }
    const { check, delayMs } = disposition
    const body = check ? encodeChecks([check]) : message.body
    broker.put({ ...message, body }, delayCovering(MODEL_POLICY.retryDelaysMs, delayMs))
  }

  function take(worker: number, pick: number): void {
    if (queue === 'table') {
      start(worker, 'take', null, async (task) => {
        const leased = await portsOf(task).leaseDue({ leaseMs: MODEL_LEASE_MS, limit: 2 })
        for (const each of leased) handleLeased(worker, each)
      })
      return
    }
    const ready = broker.ready()
    const message = ready[pick % ready.length]
    if (!message || !broker.isUp) return
    broker.take(message)
    start(worker, 'check', message.subject, (task) => {
      inHand.set(message, task)
      return consume(task, message)
    })
  }

  function handleLeased(worker: number, { transaction, leaseCount }: Leased): void {
    const check = checkOf(transaction)
    start(worker, 'check', subjectOf(check), (task) =>
      confirmOf(task).handle({
        message: { kind: 'check', check },
        redelivered: leaseCount > 1,
      }),
    )
  }

  function startSweep(worker: number): void {
    const { signal } = new AbortController()
    start(worker, 'sweep', null, async (task) => {
      await republishLost(
        {
          store: portsOf(task),
          queue: {
            publish: (check) => publish(task, check),
            backlog: async () => (queue === 'broker' && broker.isUp ? broker.ready().length : null),
          },
          policy: MODEL_POLICY,
          observer: { republished: silent },
          log: LOG,
        },
        signal,
      )
      await checkSlowly(
        { store: portsOf(task), confirm: confirmOf(task), policy: MODEL_POLICY, log: LOG },
        signal,
      )
    })
  }

  function register(place: number): void {
    const given = registration(place, 0)
    const api = processOf('api', given.chain)
    start(api, 'register', subjectOf(given), (task) => submitOf(task).submit(given))
  }

  function recheck(transaction: Pick<Transaction, 'chain' | 'txHash'>): void {
    const subject = subjectOf(transaction)
    const id = ids.get(subject)
    const api = processOf('api', chainNamed(transaction.chain))
    if (id !== undefined) start(api, 'recheck', subject, (task) => submitOf(task).recheck(id))
  }

  /** The place of the operation that this process came to last. */
  const lastOf = (process: number) => stepper.waiting().findLastIndex((task) => task.process === process)

  function crash(process: number): void {
    for (const task of stepper.waiting()) {
      if (task.process === process && isApi(process) && task.subject) leftToSweep.add(task.subject)
    }
    stepper.crash(process)
    for (const [message, task] of inHand) {
      if (task.process !== process) continue
      broker.requeue(message)
      inHand.delete(message)
    }
  }

  function lose(messages: readonly BrokerMessage[]): void {
    for (const message of messages) {
      if (message.taken) continue
      leftToSweep.add(message.subject)
      broker.ack(message)
    }
  }

  async function happen(happening: Happening): Promise<void> {
    switch (happening.do) {
      case 'register':
        register(happening.transaction)
        return
      case 'publish-foreign': {
        const { chain, txHash, kind, payload } = registration(happening.transaction, happening.content)
        const body = JSON.stringify({ chain, txHash, kind, payload })
        const subject = subjectOf({ chain, txHash })
        if (queue === 'broker' && broker.isUp) broker.put({ body, chain, subject }, 0)
        return
      }
      case 'recheck':
        recheck(transactionAt(happening.transaction))
        return
      case 'include':
      case 'replace':
      case 'reorganise': {
        const { chain, txHash } = transactionAt(happening.transaction)
        if (happening.do === 'include') chains[chain].include(txHash, happening.succeeded)
        else chains[chain][happening.do](txHash)
        return
      }
      case 'take':
        take(happening.worker, happening.pick)
        return
      case 'sweep':
        startSweep(happening.worker)
        return
      case 'step': {
        const waiting = stepper.waiting().length
        if (waiting > 0) await stepper.step(happening.pick % waiting, happening.fault)
        return
      }
      case 'drain':
        await stepper.drain()
        return
      case 'rounds':
        for (let round = 0; round < happening.count; round++) {
          await workThrough()
          await store.advance(UNIT_MS)
        }
        return
      case 'die':
        take(happening.worker, happening.pick)
        await stepper.settle()
        for (let done = 0; done < happening.operations; done++)
          await stepper.step(lastOf(happening.worker), 'none')
        crash(happening.worker)
        return
      case 'crash':
        crash(happening.process)
        return
      case 'advance':
        await store.advance(happening.ms)
        return
      case 'mine':
        chains[happening.chain].mine(happening.blocks)
        return
      case 'see':
        chains[happening.chain].view = happening.view
        return
      case 'refuse':
        isRefusing = happening.refusing
        return
      case 'broker':
        broker.isUp = happening.isUp
        return
      case 'duplicate': {
        const message = broker.all()[happening.pick % broker.all().length]
        if (message) broker.put(message, 0)
        return
      }
      case 'lose':
        lose(broker.all().slice(happening.pick, happening.pick + 1))
        return
      case 'purge':
        lose(broker.all())
    }
  }

  /** A crash alone never takes a message away: the row waits for no sweep. */
  function demandMessages(): void {
    if (queue === 'table') return
    const published = new Set(broker.all().map((message) => message.subject))
    for (const task of stepper.waiting()) if (isApi(task.process) && task.subject) published.add(task.subject)
    for (const [subject, transaction] of rows?.() ?? []) {
      const { status, parkedAt } = transaction
      if (status !== 'pending' || parkedAt || leftToSweep.has(subject) || published.has(subject)) continue
      throw new Error(`no message is left for ${describe(transaction)}, though none was lost`)
    }
  }

  /**
   * What is due is done: every ready check is taken, one after the other, and then each chain makes a sweep. A message is
   * taken by a worker of its chain: among others it could go round for ever.
   */
  async function workThrough(): Promise<void> {
    const turns = queue === 'table' ? CHAINS : broker.ready().map(({ chain }) => chain)
    for (const chain of turns) {
      take(processOf('worker', chain), 0)
      await stepper.drain()
    }
    for (const chain of CHAINS) {
      startSweep(processOf('worker', chain))
      await stepper.drain()
    }
  }

  /** Ends all faults and lets time pass until everything has its verdict and no message is left. */
  async function endWell(): Promise<void> {
    for (const chain of Object.values(chains)) {
      chain.view = 'truth'
      chain.mine(depth)
    }
    isRefusing = false
    broker.isUp = true
    await stepper.drain()
    for (let round = 0; round < MAX_ROUNDS; round++) {
      await workThrough()
      if (broken) throw broken
      const transactions = await store.transactions()
      const unfinished = transactions.filter(({ status }) => status === 'pending' || status === 'stalled')
      const late = transactions.filter(
        ({ chain, status, txHash }) => status === 'expired' && chains[chainNamed(chain)].isIncluded(txHash),
      )
      if (unfinished.length + late.length + owedLooks.size + broker.all().length === 0) return
      // A person rechecks what is parked, and what expired though it is on the chain: once.
      for (const transaction of late) if (!owedLooks.has(subjectOf(transaction))) recheck(transaction)
      for (const transaction of unfinished) if (transaction.parkedAt) recheck(transaction)
      await stepper.drain()
      await store.advance(UNIT_MS)
    }
    const transactions = await store.transactions()
    throw new Error(
      `not all has ended well: ${transactions.map(describe).join(', ')}; ${broker.all().length} messages left`,
    )
  }

  for (const happening of history.happenings) {
    await happen(happening)
    await stepper.settle()
    demandMessages()
    if (broken) throw broken
  }
  await endWell()
  const state = await store.state()
  for (const referee of Object.values(referees)) referee.judgeEnd(state)
  // What a crash left behind at a gate is collected with the history.
  await nextTurn()
}

/** The look of the task says that the nonce is not used up. */
function contradicts({ observation }: Task): boolean {
  return (
    observation?.kind === 'receipt' ||
    (observation?.kind === 'absent' && observation.replacement.length === 0)
  )
}

/** What was leased comes in no order. */
function inOrder(answer: unknown): unknown {
  if (Array.isArray(answer)) return [...(answer as (Transaction | Leased)[])].sort(bySubject)
  if (typeof answer !== 'object' || answer === null || !('transactions' in answer)) return answer
  return { ...answer, transactions: [...(answer.transactions as Transaction[])].sort(bySubject) }
}

function bySubject(a: Transaction | Leased, b: Transaction | Leased): number {
  return subjectOfRow(a) < subjectOfRow(b) ? -1 : 1
}

function subjectOfRow(row: Transaction | Leased): string {
  return subjectOf('transaction' in row ? row.transaction : row)
}

/** An answer of the store without ids and times, to compare two stores by. */
function normalised(answer: unknown, now: Date): string {
  if (Array.isArray(answer)) return `[${answer.map((each) => normalised(each, now)).join(', ')}]`
  if (typeof answer !== 'object' || answer === null) return String(answer)
  if ('transactions' in answer) return normalised((answer as { transactions: unknown }).transactions, now)
  if ('kind' in answer && !('txHash' in answer) && !('transaction' in answer)) return String(answer.kind)
  if ('outcome' in answer && 'transaction' in answer) {
    return `${String(answer.outcome)} ${normalised(answer.transaction, now)}`
  }
  if ('transaction' in answer) return normalised(answer.transaction, now)
  if (!('txHash' in answer)) return 'scheduled'
  const row = answer as Transaction
  const inUnits = (date: Date | null) => date && Math.round((date.getTime() - now.getTime()) / UNIT_MS)
  return JSON.stringify([
    row.chain,
    row.txHash.slice(-2),
    row.status,
    row.retryCount,
    row.handlerAttempts,
    row.consecutiveErrors,
    inUnits(row.nextCheckAt),
    inUnits(row.stalledAt),
    row.parkedAt !== null,
    row.lastError,
    row.failure,
    row.inclusion,
    row.payload,
    row.evidence.length,
    row.absentChecks,
    row.writeState,
  ])
}
