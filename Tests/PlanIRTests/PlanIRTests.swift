// Tests of PlanIR.
