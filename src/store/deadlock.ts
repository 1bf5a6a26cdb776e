import { sqlStateOf } from './statement-errors.ts'

export const DEADLOCK_DETECTED = '40P01'
const MAX_ATTEMPTS = 3

/**
 * Does work that is a statement or a transaction of its own again if PostgreSQL ended it because of a deadlock. Locks are
 * taken in one order throughout; what is left are those that a foreign key or a statement of the backend takes.
 */
export async function againAfterDeadlock<T>(work: () => Promise<T>): Promise<T> {
  for (let attempts = 1; ; attempts++) {
    try {
      return await work()
    } catch (error) {
      if (sqlStateOf(error) !== DEADLOCK_DETECTED || attempts === MAX_ATTEMPTS) throw error
    }
  }
}
