// Tests of Partitioner.
