import { Activity, Overview } from '../domain/overview.ts'
import type { TypedApp } from './app.ts'
import { problemAnswers } from './schemas.ts'

export interface OverviewRouteDependencies {
  now(): Promise<Overview>
  activity(minutes: number): Promise<Activity>
}

const MAX_MINUTES = 1_440

const ActivityQuery = {
  type: 'object',
  additionalProperties: false,
  properties: {
    minutes: {
      type: 'integer',
      minimum: 1,
      maximum: MAX_MINUTES,
      default: 60,
      description: `how many of the last minutes: a whole number from 1 to ${MAX_MINUTES}`,
    },
  },
} as const

/** What the page and a person's look at the whole need. */
export function addOverviewRoutes(app: TypedApp, { now, activity }: OverviewRouteDependencies): void {
  app.get(
    '/v1/overview',
    {
      schema: {
        tags: ['operation'],
        summary: 'How confirmd is doing now',
        description: 'From what all its processes wrote down, at most some seconds old.',
        response: { 200: Overview, ...problemAnswers() },
      },
    },
    async () => now(),
  )

  app.get(
    '/v1/activity',
    {
      schema: {
        tags: ['operation'],
        summary: 'What happened in each of the last minutes',
        description: 'Kept for a day. A process that dies takes up to a second of its counts with it.',
        querystring: ActivityQuery,
        response: { 200: Activity, ...problemAnswers(400) },
      },
    },
    async (request) => activity(request.query.minutes),
  )
}
