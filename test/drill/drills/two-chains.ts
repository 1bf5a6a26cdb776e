import { runCommand } from '../../support/command.ts'
import { watchAnnouncements } from '../announced-chains.ts'
import { CHAIN_ORDER_HANDLERS, createChainOrders, judgeChainOrders } from '../chain-orders.ts'
import { type ChainProcesses, startChainProcesses } from '../chain-processes.ts'
import type { Condition, Drill, DrillContext, Finding } from '../drill.ts'
import { every } from '../faults.ts'
import { judgeBlocks, judgeEvents, judgeFeed } from '../judge-chains.ts'
import { makeOpposite, type OppositeEntries } from '../opposite-entries.ts'
import { type PartsOfEitherQueue, startPartsOfEitherQueue } from '../parts.ts'
import { demand, pollUntil } from '../poll.ts'
import { PREFIX } from '../queues.ts'
import { openTwoChains } from '../second-chain.ts'
import { countPending, settleAndJudge } from '../settled.ts'
import { buildUnscoped } from '../unscoped-build.ts'
import { startOnWrongChains } from '../wrong-chain-starts.ts'

const NODES_OF_A_CHAIN = 2
const OWN_PREFIX = 'TX2'
/** Registrations with each of the two APIs. */
const PER_SECOND = 100
const QUICK_PER_SECOND = 30
/** A worker of one chain, then one of the other. */
const KILL_INTERVAL_MS = 2_000
const QUICK_KILL_INTERVAL_MS = 1_500
const REPLACED_AFTER_MS = 30_000
const QUICK_REPLACED_AFTER_MS = 2_000
/** At full size: the rule that reads the nonces of a sender, which are others on the other chain. */
const LEAST_REPLACED = 500
/** At full size, of each chain. */
const LEAST_KILLS = 20
/** Checks that must come to workers of the other chain while both share a queue, at full size. */
const LEAST_CHECKS_LEFT = 1_000
/** The kills end when nearly all is settled, or at the latest so long after the last registration. */
const KILLS_AT_MOST_MS = 120_000
const QUICK_KILLS_AT_MOST_MS = 30_000
/** Until all of the part with a shared queue must be final. */
const PART_LIMIT_MS = 300_000

/** Two chains with the same transactions and opposite outcomes, each with nodes and processes of its own. */
export const twoChains: Drill = {
  number: 18,
  title: 'two chains in one database with the same transactions and opposite outcomes, workers killed',
  queues: ['rabbitmq', 'table'],
  breakage: "the second chain's workers hand out, load and find rows of every chain",
  run: async (context) => {
    const { broken, ledger, n, quick, random, say, scaled, tally } = context
    const settings = { HANDLERS: CHAIN_ORDER_HANDLERS }
    const parts = await startPartsOfEitherQueue(context, { nodes: NODES_OF_A_CHAIN, settings })
    const { db, rabbitmq } = parts
    await createChainOrders(db)
    const chains = await openTwoChains(context, parts)
    // At first both chains share the check queue; then the second one gets a queue of its own.
    const prefixes = rabbitmq ? [PREFIX, OWN_PREFIX] : [PREFIX]
    const announcements =
      rabbitmq && (await watchAnnouncements(context, { db, brokerUrl: rabbitmq.url, prefixes }))
    const first = await startChainProcesses(context, chains.first)
    const second = await startChainProcesses(
      context,
      chains.second,
      broken ? await buildUnscoped(parts.folder) : undefined,
    )
    await demand('both chains are bound', async () => (await db('confirmd.chains')).length === 2)

    const conditions: Condition[] = []
    const secondChain = chains.second.name
    for (const [index, prefix] of prefixes.entries()) {
      const count = Math.ceil(n / prefixes.length)
      const entries = makeOpposite(ledger, random(`entries ${index}`), {
        count,
        secondChain,
        replacedAfterMs: quick ? QUICK_REPLACED_AFTER_MS : REPLACED_AFTER_MS,
      })
      if (index > 0) {
        conditions.push(...(await untilPartIsFinal(context, parts, [first, second])))
        await second.restart({ AMQP_PREFIX: prefix })
        await announcePast({ ...chains.second.environment, AMQP_PREFIX: prefix })
        say(`the processes of ${secondChain} have ${prefix} as their prefix now`)
      }
      const [refused] = await Promise.all([
        index === 0 ? startOnWrongChains(context, chains.first, chains.second) : [],
        registerUnderKills(context, parts, { entries, first, second }),
      ])
      conditions.push(...refused)
    }

    const least = scaled(LEAST_KILLS, 1)
    const finding = await settleAndJudge(context, parts, { prefixes, conditions })
    const allowed = new Map([
      [PREFIX, [chains.first.name, secondChain]],
      [OWN_PREFIX, [secondChain]],
    ])
    return {
      ...finding,
      conditions: [
        ...finding.conditions,
        await judgeChainOrders(db, ledger.entries),
        await judgeBlocks(db, [chains.first, chains.second]),
        await judgeEvents(db),
        await judgeFeed(db, chains.first, await first.apiUrl()),
        await judgeFeed(db, chains.second, await second.apiUrl()),
        ...(announcements ? await announcements.judge(allowed) : []),
        judgeReplaced(context, finding),
        {
          text: `workers were killed ${first.kills()}× and ${second.kills()}×, at least ${least}× of each chain`,
          passed: first.kills() >= least && second.kills() >= least,
        },
        { text: `no process crashed (${tally.crashes})`, passed: tally.crashes === 0 },
      ],
    }
  },
}

function judgeReplaced({ scaled }: Pick<DrillContext, 'scaled'>, { judgement }: Finding): Condition {
  const replaced = judgement?.replaced ?? 0
  const least = scaled(LEAST_REPLACED, 1)
  return { text: `${replaced} were found replaced, at least ${least}`, passed: replaced >= least }
}

/** Registers with both chains at once, while workers of both are killed until nearly all is settled. */
async function registerUnderKills(
  { quick, random }: DrillContext,
  parts: PartsOfEitherQueue,
  { entries, first, second }: { entries: OppositeEntries; first: ChainProcesses; second: ChainProcesses },
): Promise<void> {
  const choice = random('kills')
  const killing = every(quick ? QUICK_KILL_INTERVAL_MS : KILL_INTERVAL_MS, () => {
    const [next, other] = first.kills() > second.kills() ? [second, first] : [first, second]
    if (!next.killWorker(choice)) other.killWorker(choice)
  })
  const registered = entries.first.length + entries.second.length
  const perSecond = quick ? QUICK_PER_SECOND : PER_SECOND
  await Promise.all([
    first.registrar.register(entries.first, { perSecond }),
    second.registrar.register(entries.second, { perSecond }),
  ])
  await pollUntil(async () => (await countPending(parts)) < registered / 10, {
    timeoutMs: quick ? QUICK_KILLS_AT_MOST_MS : KILLS_AT_MOST_MS,
    intervalMs: 500,
  })
  await killing.stop()
}

/** What was decided just before the processes ended may have been announced under neither prefix. */
async function announcePast(environment: Readonly<Record<string, string>>): Promise<void> {
  const { code, stderr } = await runCommand(['announce', '--after', '0'], environment)
  if (code !== 0) throw new Error(`confirmd announce ended with ${code}: ${stderr}`)
}

/** While both chains share a check queue, everything becomes final all the same. */
async function untilPartIsFinal(
  { scaled, say }: DrillContext,
  parts: PartsOfEitherQueue,
  processes: readonly ChainProcesses[],
): Promise<Condition[]> {
  const startedAt = Date.now()
  await pollUntil(async () => (await countPending(parts)) === 0, {
    timeoutMs: PART_LIMIT_MS,
    intervalMs: 250,
  })
  const pending = await countPending(parts)
  say(`with one check queue for both chains: ${pending} pending after ${Date.now() - startedAt} ms`)
  const left = processes.reduce((sum, each) => sum + each.checksLeft(), 0)
  const least = scaled(LEAST_CHECKS_LEFT, 1)
  return [
    {
      text: `with one check queue for both chains nothing was pending ${PART_LIMIT_MS / 1_000} s after the kills (${pending})`,
      passed: pending === 0,
    },
    {
      text: `${left} checks came to workers of the other chain and were left to others, at least ${least}`,
      passed: left >= least,
    },
  ]
}
