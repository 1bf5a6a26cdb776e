import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, inject } from 'vitest'
import { startLeashed, untilReady } from '../../src/dev/leashed.ts'
import { freePort } from '../../src/dev/ports.ts'
import type { Prometheus } from './find-prometheus.ts'

/** Where Prometheus is not installed these are not run; TEST_REQUIRE_PROMETHEUS forbids that. */
export const describeWithPrometheus = describe.runIf(inject('prometheus') !== null)
export const describeWithPrometheusAndBroker = describe.runIf(
  inject('prometheus') !== null && inject('amqpUrl') !== null,
)

const START_TIMEOUT_MS = 30_000

function programs(): Prometheus {
  const found = inject('prometheus')
  if (found === null) throw new Error('this test needs Prometheus; put it under describeWithPrometheus')
  return found
}

/** Runs promtool; resolves with what it printed, rejects with that if it is not content. */
export async function promtool(parameters: readonly string[], input = ''): Promise<string> {
  const running = promisify(execFile)(programs().promtool, [...parameters])
  running.child.stdin?.end(input)
  const { stdout, stderr } = await running.catch((error: { stdout: string; stderr: string }) => {
    throw new Error(`promtool ${parameters.join(' ')}:\n${error.stdout}${error.stderr}`)
  })
  return stdout + stderr
}

export interface Sample {
  readonly metric: Readonly<Record<string, string>>
  /** The time, in s, and the number as text: also NaN and +Inf. */
  readonly value: readonly [number, string]
}

export interface RunningPrometheus {
  /** The value of an expression now; rejects if it is not valid. */
  query(expression: string): Promise<readonly Sample[]>
  /** The rules as it evaluates them. */
  rules(): Promise<readonly { readonly name: string; readonly health: string; readonly lastError?: string }[]>
  stop(): Promise<void>
}

/** Starts a Prometheus on a free port, with its data in `folder`. */
export async function startPrometheus(configFile: string, folder: string): Promise<RunningPrometheus> {
  const address = `127.0.0.1:${await freePort()}`
  const running = startLeashed({
    command: programs().server,
    parameters: [
      `--config.file=${configFile}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${address}`,
    ],
    stopSignal: 'SIGTERM',
  })
  const isReady = () =>
    fetch(`http://${address}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    )
  await untilReady('Prometheus', running, isReady, START_TIMEOUT_MS)

  async function ask<T>(path: string, parameters: Readonly<Record<string, string>> = {}): Promise<T> {
    const response = await fetch(`http://${address}/api/v1/${path}`, {
      method: Object.keys(parameters).length > 0 ? 'POST' : 'GET',
      ...(Object.keys(parameters).length > 0 ? { body: new URLSearchParams(parameters) } : {}),
    })
    const answer = (await response.json()) as { status: string; error?: string; data: T }
    if (answer.status !== 'success') throw new Error(`${JSON.stringify(parameters)}: ${answer.error}`)
    return answer.data
  }

  return {
    query: async (query) => (await ask<{ result: Sample[] }>('query', { query })).result,
    rules: async () => {
      const { groups } = await ask<{
        groups: { rules: { name: string; health: string; lastError?: string }[] }[]
      }>('rules')
      return groups.flatMap(({ rules }) => rules)
    },
    stop: running.stop,
  }
}
