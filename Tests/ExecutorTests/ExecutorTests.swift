// Tests of Executor.
