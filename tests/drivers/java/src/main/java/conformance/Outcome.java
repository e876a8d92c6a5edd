package conformance;

/** The ways in which a check ends without an error of its program. */
abstract class Outcome extends Exception {
  private Outcome(String said) {
    super(said);
  }

  /** The lane does not do what was asked, by the sign that a user would notice. */
  static final class Breaks extends Outcome {
    Breaks(String sign) {
      super(sign);
    }
  }

  /** The driver has no such thing, by the reason. */
  static final class NotOffered extends Outcome {
    NotOffered(String reason) {
      super(reason);
    }
  }
}
