@manual-3.5
Feature: A link that is lost
  The loss is noticed within the documented time, and the link comes back by the retry ladder.

  Background:
    Given an OXO Connect that Rainbow knows

  Rule: A link that is closed or reset is noticed at once

    Scenario: The proxy restarts
      Given the web proxy is configured in OMC
      And the WSS link was brought up
      When the web proxy restarts
      Then the WSS link comes up again after 10 seconds
      And the link runs through the web proxy

    Scenario Outline: The connection is reset on the way, toward <end>
      Given the WSS link was brought up
      When the connection is reset toward <end>
      Then the WSS link comes up again after 10 seconds

      Examples:
        | end       |
        | the PBX   |
        | both ends |

    Scenario: The connection is reset toward Rainbow only
      Given the WSS link was brought up
      When the connection is reset toward Rainbow
      Then the PBX gives the link up within the ping timeout
      And the WSS link comes up again

    Scenario Outline: Rainbow closes the WebSocket with code <code>
      Given the WSS link was brought up
      When Rainbow closes the WebSocket with code <code>
      Then the WSS link comes up again after 10 seconds

      Examples:
        | code |
        | 1000 |
        | 1001 |
        | 1011 |
        | 4000 |

    Scenario: Rainbow aborts the connection
      Given the WSS link was brought up
      When Rainbow aborts the connection
      Then the WSS link comes up again after 10 seconds

    Scenario: The PCG restarts
      Given the WSS link was brought up
      When the PCG restarts
      Then the WSS link comes up again after 10 seconds

  Rule: A link that has gone silent is noticed within the ping timeout

    Scenario: Rainbow goes silent
      Given the WSS link was brought up
      When Rainbow goes silent
      Then the PBX gives the link up within the ping timeout
      And the WSS link comes up again when Rainbow answers

    Scenario: The PBX is gone without a word
      Given the WSS link was brought up
      When the PBX loses its power for 5 minutes
      Then Rainbow notices within the ping timeout
      And the WSS link comes up again

    Scenario: A link on which nothing is wrong stays up
      Given the WSS link was brought up
      When 1 hour passes
      Then the WSS link is still the same
      And Rainbow shows the PBX as Running
