import { readFileSync } from 'node:fs'
import { parse } from 'yaml'

/** What is in deploy/monitoring. */
export interface AlertRule {
  readonly alert: string
  readonly expr: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

export interface BoardQuery {
  readonly panel: string
  readonly expr: string
}

interface Panel {
  readonly title: string
  readonly targets?: readonly { readonly expr: string }[]
}

const read = (path: string) => readFileSync(`deploy/monitoring/${path}`, 'utf8')

export const alertRules: readonly AlertRule[] = (
  parse(read('alerts.yml')) as { groups: { rules: AlertRule[] }[] }
).groups.flatMap(({ rules }) => rules)

export const alertTests = (parse(read('alerts.test.yml')) as { tests: { name: string }[] }).tests

export const boardPanels = (JSON.parse(read('grafana/dashboards/confirmd.json')) as { panels: Panel[] })
  .panels

export const boardQueries: readonly BoardQuery[] = boardPanels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => ({ panel: title, expr })),
)

export interface PrometheusConfig {
  readonly global: object
  readonly scrape_configs: readonly {
    readonly job_name: string
    readonly dns_sd_configs: readonly { readonly names: readonly string[]; readonly port: number }[]
    readonly authorization: { readonly credentials_file: string }
  }[]
}

export const prometheusConfig = parse(read('prometheus.yml')) as PrometheusConfig
