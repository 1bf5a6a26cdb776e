import { existsSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { renderMetricsDocument } from '../../src/dev/metrics-document.ts'
import { COUNTERS, GAUGES, HISTOGRAMS, type MetricDefinition } from '../../src/observe/metric-definitions.ts'
import { alertRules, alertTests, boardPanels, boardQueries, prometheusConfig } from '../support/monitoring.ts'

const counters: readonly MetricDefinition[] = Object.values(COUNTERS)
const histograms: readonly MetricDefinition[] = Object.values(HISTOGRAMS)
const gauges: readonly MetricDefinition[] = Object.values(GAUGES)
const all = [...counters, ...histograms, ...gauges]
const document = readFileSync('docs/metrics.md', 'utf8')

it('docs/metrics.md is what `npm run docs:metrics` makes of the definitions', () => {
  expect(document).toBe(renderMetricsDocument())
})

it('names are as Prometheus has them: a prefix, base units, `_total` for counters and nothing else', () => {
  expect(new Set(all.map(({ name }) => name)).size).toBe(all.length)
  for (const { name } of all) {
    expect(name).toMatch(/^confirmd(_[a-z]+)+$/)
    expect(name).not.toMatch(/_(ms|milliseconds|minutes|hours|kb|mb|kib|mib|percent|count|sum|bucket)(_|$)/)
  }
  for (const { name } of counters) expect(name).toMatch(/_total$/)
  for (const { name } of [...histograms, ...gauges]) expect(name).not.toMatch(/_total$/)
  for (const { name } of histograms) expect(name).toMatch(/_seconds$/)
  for (const { name } of gauges.filter((each) => /_(age|delay|latency)(_|$)/.test(each.name))) {
    expect(name).toMatch(/_seconds$/)
  }
})

it('no name says again what a label says', () => {
  for (const { name, labels = {} } of all) {
    for (const label of Object.keys(labels)) expect(name.split('_')).not.toContain(label)
  }
})

it('every metric of the board and of the alerts is documented', () => {
  const expressions = [...boardQueries, ...alertRules].map(({ expr }) => expr)
  const used = expressions.flatMap((expr) => expr.match(/\bconfirmd_\w+/g) ?? [])
  expect(new Set(used).size).toBeGreaterThan(20)
  for (const name of used) {
    const family = name.endsWith('_bucket') ? name.slice(0, -'_bucket'.length) : name
    expect(document).toContain(`| \`${family}\` |`)
  }
})

it('every metric has a place on the board', () => {
  const text = boardQueries.map(({ expr }) => expr).join('\n')
  const missing = all.map(({ name }) => name).filter((name) => !text.includes(name))
  // How fast the blocks' transactions are settled is there; these two say how much of it there was.
  expect(missing).toEqual(['confirmd_follow_matches_total', 'confirmd_follow_skipped_blocks_total'])
})

it('the board has its rows, and its data source is the one that is provisioned', () => {
  const rows = boardPanels.filter(({ targets }) => targets === undefined).map(({ title }) => title)
  expect(rows).toEqual([
    'Outcomes',
    'Latency',
    'Retries, and why',
    'Queues',
    'Nodes',
    'Webhooks and events',
    'Processes',
  ])
  const provisioned = parse(
    readFileSync('deploy/monitoring/grafana/provisioning/datasources/prometheus.yml', 'utf8'),
  ) as { datasources: { uid: string }[] }
  const board = readFileSync('deploy/monitoring/grafana/dashboards/confirmd.json', 'utf8')
  const uids = new Set([...board.matchAll(/"type": "prometheus",\s+"uid": "([^"]+)"/g)].map(([, uid]) => uid))
  expect([...uids]).toEqual(provisioned.datasources.map(({ uid }) => uid))
})

it('every alert says what it means and where to read on, and has tests in which it fires and does not', () => {
  for (const { alert, labels, annotations } of alertRules) {
    expect(labels['severity']).toMatch(/^(critical|warning)$/)
    expect(Object.keys(annotations)).toEqual(['summary', 'description', 'runbook'])
    expect(annotations['runbook']).toBe(`docs/operations.md#${alert.toLowerCase()}`)
    const names = alertTests.map(({ name }) => name)
    expect(names.some((name) => name.startsWith(`${alert}: `))).toBe(true)
    expect(names.some((name) => name.startsWith(`${alert} not: `))).toBe(true)
  }
})

interface Service {
  readonly image?: string
  readonly profiles?: readonly string[]
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly secrets?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}
const compose = parse(readFileSync('docker-compose.yml', 'utf8'), { merge: true }) as {
  services: Record<string, Service>
  secrets: Record<string, { environment: string }>
}

it('the profile `monitoring` runs pinned images, for this machine only, without a password in the file', () => {
  const services = ['prometheus', 'grafana'].map((name) => compose.services[name] ?? {})
  for (const { image, profiles, ports = [], volumes = [], environment = {} } of services) {
    expect(profiles).toEqual(['monitoring'])
    expect(image).toMatch(/:v?\d+\.\d+\.\d+$/)
    expect(ports.length).toBe(1)
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/)
    const mounted = volumes.map((each) => each.split(':')[0] ?? '').filter((path) => path.startsWith('./'))
    expect(mounted.length).toBeGreaterThan(0)
    for (const path of mounted) expect(existsSync(path), path).toBe(true)
    expect(JSON.stringify(environment)).not.toMatch(/password/i)
  }
  expect(services[0]?.secrets).toEqual(['metrics-key'])
  expect(compose.secrets['metrics-key']).toEqual({ environment: 'METRICS_KEY' })
})

it('Prometheus scrapes the services of the compose file, with the key that is mounted', () => {
  for (const { job_name, dns_sd_configs, authorization } of prometheusConfig.scrape_configs) {
    const [service] = dns_sd_configs[0]?.names ?? []
    expect(job_name).toBe(`confirmd-${service}`)
    expect(compose.services[service ?? '']?.environment?.['PORT']).toBe(String(dns_sd_configs[0]?.port))
    expect(authorization.credentials_file).toBe('/run/secrets/metrics-key')
  }
})
