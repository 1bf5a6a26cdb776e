import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { brokerNames } from '../../src/broker/topology.ts'
import { createTemporaryFolder, type TemporaryFolder } from '../../src/dev/temporary-folder.ts'
import { createApiKey } from '../../src/http/api-key.ts'
import { amqpUrl } from '../support/broker.ts'
import { withChannel } from '../support/channel.ts'
import { createWorld, type RunningConfirmd, untilRow, untilStatus, type World } from '../support/confirmd.ts'
import { type Hook, startHook, status } from '../support/hook.ts'
import { alertRules, boardQueries, prometheusConfig } from '../support/monitoring.ts'
import { createOrderTables, ORDER_HANDLERS } from '../support/orders.ts'
import {
  describeWithPrometheus,
  describeWithPrometheusAndBroker,
  promtool,
  type RunningPrometheus,
  startPrometheus,
} from '../support/prometheus.ts'
import { randomHash, type ScriptedNode, startScriptedNode } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

describeWithPrometheus('what deploy/monitoring has for Prometheus', () => {
  it('its rules and its configuration are valid', async () => {
    expect(await promtool(['check', 'rules', 'deploy/monitoring/alerts.yml'])).toContain('SUCCESS')
    // Where the key is, only the container knows.
    expect(
      await promtool(['check', 'config', '--syntax-only', 'deploy/monitoring/prometheus.yml']),
    ).toContain('SUCCESS')
  })

  it('each alert fires when it should, and only then', async () => {
    expect(await promtool(['test', 'rules', 'deploy/monitoring/alerts.test.yml'])).toContain('SUCCESS')
  })
})

/** Alerts whose cause is there at the end of the run; what the others need takes minutes, and promtool tests those. */
const CAUSED = [
  'ConfirmdTransactionsStalled',
  'ConfirmdTransactionsParked',
  'ConfirmdMessagesParked',
  'ConfirmdBusinessWritesFailing',
  'ConfirmdNodeFailing',
  'ConfirmdNodeBehind',
  'ConfirmdWebhookFailing',
  'ConfirmdWebhookSwitchedOff',
]
/** Those that a worker that is gone causes. */
const CAUSED_BY_THE_END = ['ConfirmdProcessDown', 'ConfirmdQueueNotConsumed']

describeWithPrometheusAndBroker('a Prometheus that has scraped a run', () => {
  const { key, entry } = createApiKey('prometheus')
  let world: World
  let folder: TemporaryFolder
  let api: RunningConfirmd
  let worker: RunningConfirmd
  let prometheus: RunningPrometheus
  const nodes: ScriptedNode[] = []
  const hooks: Hook[] = []

  beforeAll(async () => {
    folder = await createTemporaryFolder()
    const [fresh, failing, behind] = [
      await startScriptedNode(),
      await startScriptedNode(),
      await startScriptedNode(),
    ]
    nodes.push(fresh, failing, behind)
    failing.fault = () => ({ kind: 'status', status: 500 })
    behind.headAgeMs = 3_600_000
    world = await createWorld('rabbitmq', {
      ...{ API_KEYS: entry, FOLLOW_BLOCKS: 'on', HANDLERS: ORDER_HANDLERS, HANDLER_RETRY_LIMIT: '3' },
      WEBHOOK_RETRY_DELAYS_MS: '100,3600000',
    })
    await createOrderTables(world.db)
    const urls = [world.node, fresh, failing, behind].map(({ url }) => url).join(',')
    api = await world.start('api')
    worker = await world.start('worker', { RPC_URLS: urls })
    prometheus = await startPrometheus(await writeConfig(), folder.path)
    // What is counted from now on is seen to rise.
    await untilValue('confirmd_transitions_total{status="confirmed"}', 0)
    await untilValue('sum(confirmd_leading)', 1)
    await untilValue('sum(up)', 2)
    await happen()
  })
  afterAll(async () => {
    await prometheus?.stop()
    await world?.close()
    for (const each of [...nodes, ...hooks]) await each.stop()
    await folder?.remove()
  })

  /** The configuration of deploy/monitoring, with the addresses and the key of this run. */
  async function writeConfig(): Promise<string> {
    const keyFile = join(folder.path, 'key')
    await writeFile(keyFile, `${key}\n`)
    const running: Readonly<Record<string, RunningConfirmd>> = {
      'confirmd-api': api,
      'confirmd-worker': worker,
    }
    const config = {
      ...prometheusConfig,
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: [resolve('deploy/monitoring/alerts.yml')],
      scrape_configs: prometheusConfig.scrape_configs.map(({ dns_sd_configs: _, ...job }) => ({
        ...job,
        authorization: { credentials_file: keyFile },
        static_configs: [{ targets: [new URL(running[job.job_name]?.url ?? '').host] }],
      })),
    }
    const file = join(folder.path, 'prometheus.yml')
    await writeFile(file, stringify(config))
    expect(await promtool(['check', 'config', file])).toContain('SUCCESS')
    return file
  }

  async function post(path: string, body: object): Promise<void> {
    const response = await fetch(`${api.url}/v1/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body: JSON.stringify(body),
    })
    expect(response.ok, await response.text()).toBe(true)
  }

  function include(txHash: string, succeeded = true): void {
    world.node.include(txHash, { succeeded })
    nodes[0]?.mine()
  }

  async function webhook(answer: Hook['answer'], kind: string): Promise<void> {
    const hook = await startHook()
    hooks.push(hook)
    hook.answer = answer
    await post('webhooks', { url: hook.url, kinds: [kind] })
  }

  /** One of each thing that can become of a transaction, a message, an event and a request. */
  async function happen(): Promise<void> {
    await webhook(status(204), 'order')
    await webhook(status(500), 'order')
    await webhook(status(410), 'order')
    await world.db('refusals').insert({ reason: 'test' })
    const [confirmed, failed, parked, stalled] = [randomHash(), randomHash(), randomHash(), randomHash()]
    await post('transactions', { txHash: confirmed, kind: 'order' })
    await post('transactions', { txHash: failed, kind: 'order' })
    await post('transactions', { txHash: parked, kind: 'picky' })
    await post('transactions', { txHash: stalled, kind: 'order' })
    await untilRow(world.db, confirmed, 'looked at again', (row) => Number(row['retry_count']) > 0)
    include(confirmed)
    include(failed, false)
    include(parked)
    const { directExchange, checkKey } = brokerNames(world.prefix)
    await withChannel(amqpUrl(), async (channel) => {
      channel.publish(directExchange, checkKey, Buffer.from('not JSON'))
      // Its answer comes after the publish was taken.
      await channel.checkExchange(directExchange)
    })
    expect((await fetch(`${api.url}/v1/transactions`)).status).toBe(401)
    await untilStatus(world.db, confirmed, 'confirmed')
    await untilStatus(world.db, failed, 'failed')
    await untilRow(world.db, parked, 'parked', (row) => row['parked_at'] !== null)
    await untilStatus(world.db, stalled, 'stalled')
    await untilValue('sum(confirmd_transitions_total)', 3)
    await untilValue('sum(confirmd_events_announced_total)', 4)
    await untilValue('sum(confirmd_parked_total)', 2)
    await untilValue('max(confirmd_webhooks{state="failing"})', 1)
    await untilValue('max(confirmd_webhooks{state="switched-off"})', 1)
    await untilValue('sum(confirmd_http_refused_total)', 1)
    // A rate needs two samples of each series, and the last ones appeared with the last scrape.
    const scrapes = async () => Number((await prometheus.query('sum(count_over_time(up[1h]))'))[0]?.value[1])
    const before = await scrapes()
    await until('there were two scrapes of each', async () => (await scrapes()) >= before + 4)
  }

  function untilValue(expression: string, least: number): Promise<unknown> {
    return until(`${expression} is at least ${least}`, async () => {
      const [sample] = await prometheus.query(expression)
      return sample !== undefined && Number(sample.value[1]) >= least
    })
  }

  /** Waits, for a busy machine may miss a scrape, and then everything of it is gone until the next. */
  async function untilData(expression: string, isWanted = true): Promise<void> {
    const query = expression.replaceAll('$__rate_interval', '1m')
    await until(`there is ${isWanted ? 'data' : 'nothing'} for ${query}`, async () => {
      const samples = await prometheus.query(query)
      return isWanted === samples.some(({ value: [, number] }) => !Number.isNaN(Number(number)))
    })
  }

  it.each(boardQueries.map(({ panel, expr }) => [panel, expr]))('has data for the board: %s', (_, expr) =>
    untilData(expr),
  )

  it('evaluates every alert, and has data for each series that one names', async () => {
    const rules = await until('all were evaluated', async () => {
      const found = await prometheus.rules()
      return found.every(({ health }) => health !== 'unknown') && found
    })
    expect(rules.map(({ name }) => name)).toEqual(alertRules.map(({ alert }) => alert))
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([])
    const series = alertRules.flatMap(
      ({ expr }) => expr.match(/\b(?:confirmd_\w+|up)\b(?:\{[^}]*\})?/g) ?? [],
    )
    expect(series.length).toBeGreaterThan(alertRules.length)
    for (const each of new Set(series)) await untilData(each)
  })

  it('finds the names and texts of the metrics in order', async () => {
    for (const { url } of [api, worker]) {
      const response = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${key}` } })
      // Those of Node.js have names of their own making.
      const ours = (await response.text()).split('\n').filter((line) => /^(# \w+ )?confirmd_/.test(line))
      expect(ours.length).toBeGreaterThan(20)
      expect(await promtool(['check', 'metrics'], `${ours.join('\n')}\n`)).toBe('')
    }
  })

  describe('shows what an alert is about, and nothing where there is nothing', () => {
    it.each(alertRules.map(({ alert, expr }) => [alert, expr]))('%s', (alert, expr) =>
      untilData(expr, CAUSED.includes(alert)),
    )

    it('and when the worker is gone', async () => {
      await worker.stop()
      const caused = alertRules.filter(({ alert }) => CAUSED_BY_THE_END.includes(alert))
      expect(caused).toHaveLength(CAUSED_BY_THE_END.length)
      for (const { expr } of caused) await untilData(expr)
    })
  })
})
